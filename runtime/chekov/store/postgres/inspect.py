"""A look at stores from outside, over one connection that is kept for a while: for the operator."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from chekov.errors import StoreUnavailable
from chekov.store.port import SubscriptionRow
from chekov.store.postgres.connection_options import Connection, connect_once
from chekov.store.postgres.errors import DATABASE_ERRORS, Fault, Translator, fault_of
from chekov.store.postgres.migrator import applied, is_usable, needed_version
from chekov.store.postgres.statements import statements
from chekov.store.postgres.subscriptions import subscription_rows

T = TypeVar("T")
_Look: TypeAlias = Callable[[Connection, str], Awaitable[T]]

LOOK_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """A store at a glance."""

    server_version: str
    """Postgres's own, such as `18.4`."""
    schema_version: int
    """0 when the schema holds no event store."""
    needed_version: int
    """What this code works with."""
    position: int
    """Of the last event."""
    streams: int
    """How many there are; estimated by Postgres's statistics."""
    bytes: int
    """On disk: tables and indexes of the store."""
    usable: bool = False
    """Whether this code works with the schema as it is, which may be newer."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far subscriptions are."""

    rows: Sequence[SubscriptionRow]
    """By domain, name, version and partition."""
    head: int
    """Position of the store's last event when they were read."""


class Inspector:
    """Looks at the stores of one database, at one after the other.

    Args:
        dsn: where the database is.
        timeout: for one look, waiting for those before it included, in seconds.
        idle: after which the connection is closed if nobody looks, in seconds.
    """

    def __init__(
        self, dsn: str, *, timeout: float = LOOK_SECONDS, idle: float = IDLE_SECONDS
    ) -> None:
        self._dsn = dsn
        self._timeout = timeout
        self._idle = idle
        self._turn = asyncio.Lock()
        self._kept: Connection | None = None
        self._end: asyncio.TimerHandle | None = None

    @property
    def in_use(self) -> bool:
        """Whether it has a connection, or is about to have one."""
        return self._kept is not None or self._turn.locked()

    async def status(self, schema: str) -> StoreStatus:
        """What the store in a schema holds.

        Raises:
            StoreUnavailable: the database does not answer in time.
            StoreError: it refuses.
        """
        return await self._looked(schema, _status)

    async def progress(self, schema: str) -> Progress:
        """How far all subscriptions of the store in a schema are.

        Raises:
            SchemaMismatch: there is no store in this schema.
            StoreUnavailable: the database does not answer in time.
        """
        return await self._looked(schema, _progress)

    def close(self) -> None:
        """Give the connection up; the next look makes another."""
        kept = self._taken()
        if kept is not None:
            kept.terminate()

    async def _looked(self, schema: str, look: _Look[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout), self._turn:
                return await self._look(schema, look)
        except TimeoutError as error:
            raise StoreUnavailable(f"Postgres did not answer within {self._timeout:g} s") from error
        except DATABASE_ERRORS as error:
            translator = Translator(self._dsn, schema, needed_version())
            raise translator.store_error(error) from error

    async def _look(self, schema: str, look: _Look[T]) -> T:
        kept = self._taken()
        if kept is not None and not kept.is_closed():
            try:
                return await self._look_over(kept, schema, look)
            except DATABASE_ERRORS as error:
                # It broke since the last look, which tells nothing about the database now.
                if fault_of(error) is not Fault.LOST:
                    raise
        connection = await connect_once(self._dsn, application="chekov inspect")
        return await self._look_over(connection, schema, look)

    async def _look_over(self, connection: Connection, schema: str, look: _Look[T]) -> T:
        try:
            found = await look(connection, schema)
        except BaseException:
            connection.terminate()
            raise
        self._kept = connection
        self._end = asyncio.get_running_loop().call_later(self._idle, self.close)
        return found

    def _taken(self) -> "Connection | None":
        if self._end is not None:
            self._end.cancel()
        kept, self._kept, self._end = self._kept, None, None
        return kept


async def _status(connection: Connection, schema: str) -> StoreStatus:
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
    return StoreStatus(version, found, needed_version(), position, streams, size, usable)


async def _progress(connection: Connection, schema: str) -> Progress:
    every = statements("subscriptions", schema)["subscriptions"]
    rows = subscription_rows(await connection.fetch(every, None))
    # The head is read after the rows, or a subscription could seem to be ahead of its store.
    head: int = await connection.fetchval(statements("inspect", schema)["position"])
    return Progress(rows, head)
