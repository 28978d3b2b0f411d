"""Reading the state of stores from outside, over one reused connection: for the operator."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias, TypeVar

from chekov.errors import StoreUnavailable
from chekov.store.port import CommandFigures, Generation, SubscriptionRow
from chekov.store.postgres.connection_options import DriverConnection, connect_once
from chekov.store.postgres.errors import DATABASE_ERRORS, Fault, Translator, fault_of
from chekov.store.postgres.figures import figures_in
from chekov.store.postgres.generations import generation_rows
from chekov.store.postgres.migrator import applied, is_usable, needed_version
from chekov.store.postgres.server_watch import is_writable
from chekov.store.postgres.statements import statements
from chekov.store.postgres.subscriptions import subscription_rows

T = TypeVar("T")
_Read: TypeAlias = Callable[[DriverConnection, str], Awaitable[T]]

READ_SECONDS: Final = 5.0
_FIRST_TRY_SECONDS: Final = 1.5
IDLE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """The state of a store."""

    server_version: str
    """Of Postgres, such as `18.4`."""
    schema_version: int
    """0 when the schema holds no event store."""
    needed_version: int
    """The version that this code works with."""
    position: int
    """Of the last event."""
    streams: int
    """Their number, as Postgres's statistics estimate it."""
    bytes: int
    """The size of the store's tables and indexes on disk."""
    usable: bool = False
    """Whether this code works with the schema, which may be newer."""
    oldest_served: int = 0
    """The lowest version of the schema whose code works with it; 0 when it holds no store."""
    connections: int = field(default=0, compare=False)
    """Of the server, to all of its databases; they change all the time."""
    connection_limit: int = field(default=0, compare=False)
    """How many connections the server takes, without those that it reserves."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of subscriptions, and of commands."""

    rows: Sequence[SubscriptionRow]
    """By domain, name, version and partition."""
    head: int
    """Position of the store's last event when they were read."""
    figures: Sequence[CommandFigures] = ()
    """Of the processes that report how their commands end."""
    generations: Sequence[Generation] = ()
    """Of all projections, by domain, name, version and number."""


class Inspector:
    """Reads the state of the stores of one database, of one after the other.

    Args:
        dsn: where the database is.
        timeout: of one read, including the wait for earlier ones, in seconds.
        idle: seconds without a read after which the connection is closed.
    """

    def __init__(
        self, dsn: str, *, timeout: float = READ_SECONDS, idle: float = IDLE_SECONDS
    ) -> None:
        self._dsn = dsn
        self._timeout = timeout
        self._idle = idle
        self._turn = asyncio.Lock()
        self._cached: DriverConnection | None = None
        self._end: asyncio.TimerHandle | None = None

    @property
    def in_use(self) -> bool:
        """Whether there is a connection, or a read is under way."""
        return self._cached is not None or self._turn.locked()

    async def status(self, schema: str) -> StoreStatus:
        """The state of the store in a schema.

        Raises:
            StoreUnavailable: the database does not answer in time.
            StoreError: the database refuses.
        """
        return await self._read_in_turn(schema, _status)

    async def progress(self, schema: str) -> Progress:
        """The progress of every subscription of the store in a schema.

        Raises:
            SchemaMismatch: the schema holds no store.
            StoreUnavailable: the database does not answer in time.
        """
        return await self._read_in_turn(schema, _progress)

    async def is_waiting(self, schema: str, types: Collection[str], after: int) -> bool:
        """Whether there is an event of certain types after a position.

        Raises:
            StoreUnavailable: the database does not answer in time.
            StoreError: the database refuses.
        """

        async def read(connection: DriverConnection, schema: str) -> bool:
            statement = statements("inspect", schema)["waiting"]
            return bool(await connection.fetchval(statement, after, list(types)))

        return await self._read_in_turn(schema, read)

    def close(self) -> None:
        """Close the connection; the next read makes another."""
        cached = self._take()
        if cached is not None:
            cached.terminate()

    async def _read_in_turn(self, schema: str, read: _Read[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout), self._turn:
                return await self._read(schema, read)
        except TimeoutError as error:
            raise StoreUnavailable(f"Postgres did not answer within {self._timeout:g} s") from error
        except DATABASE_ERRORS as error:
            translator = Translator(self._dsn, schema, needed_version())
            raise translator.store_error(error) from error

    async def _read(self, schema: str, read: _Read[T]) -> T:
        cached = self._take()
        if cached is not None and not cached.is_closed():
            try:
                return await self._read_over(cached, schema, read)
            except DATABASE_ERRORS as error:
                # It broke since the last read, which says nothing about the database now.
                if fault_of(error) is not Fault.LOST:
                    raise
        return await self._read_over(await self._connected(), schema, read)

    async def _connected(self) -> DriverConnection:
        """A new connection.

        A packet to a Service whose address a node does not know yet is lost, and so is every
        repetition of it, since the kernel goes on as it has begun. Another connection gets through.
        """
        connect = partial(connect_once, self._dsn, application="chekov inspect")
        try:
            async with asyncio.timeout(min(_FIRST_TRY_SECONDS, self._timeout / 2)):
                return await connect()
        except TimeoutError:
            return await connect()

    async def _read_over(self, connection: DriverConnection, schema: str, read: _Read[T]) -> T:
        try:
            found = await read(connection, schema)
        except BaseException:
            connection.terminate()
            raise
        if not is_writable(connection):
            # The address may lead to another server by the next time.
            connection.terminate()
            return found
        self._cached = connection
        self._end = asyncio.get_running_loop().call_later(self._idle, self.close)
        return found

    def _take(self) -> "DriverConnection | None":
        if self._end is not None:
            self._end.cancel()
        cached, self._cached, self._end = self._cached, None, None
        return cached


async def _status(connection: DriverConnection, schema: str) -> StoreStatus:
    sql = statements("inspect", schema)
    server: str = await connection.fetchval("show server_version")
    steps = await applied(connection, schema)
    found = steps[-1].version if steps else 0
    position = streams = size = 0
    if found:
        position = await connection.fetchval(sql["position"])
        streams, size = await connection.fetchrow(sql["sizes"], schema) or (0, 0)
    version = server.partition(" ")[0]
    usable = is_usable(schema, steps)
    connections, limit = await connection.fetchrow(sql["connections"]) or (0, 0)
    return StoreStatus(
        server_version=version,
        schema_version=found,
        needed_version=needed_version(),
        position=position,
        streams=streams,
        bytes=size,
        usable=usable,
        oldest_served=max((step.works_with for step in steps), default=0),
        connections=connections,
        connection_limit=limit,
    )


async def _progress(connection: DriverConnection, schema: str) -> Progress:
    every = statements("subscriptions", schema)["subscriptions"]
    rows = subscription_rows(await connection.fetch(every, None))
    made = statements("read_models", schema)["generations"]
    generations = generation_rows(await connection.fetch(made, None))
    # The head is read after the rows, or a subscription could seem to be ahead of its store.
    head: int = await connection.fetchval(statements("inspect", schema)["position"])
    found = figures_in(await connection.fetch(statements("figures", schema)["figures"]))
    return Progress(rows, head, found, generations)
