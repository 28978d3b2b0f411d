"""Connections: how they are made, and how long one waits for a database that is away."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, LiteralString, TypeVar, cast

import asyncpg

from chekov.backoff import Backoff
from chekov.errors import StoreClosed, StoreUnavailable
from chekov.store.postgres.connection_cache import ConnectionCache, Pool, is_gone
from chekov.store.postgres.connection_options import (
    CONNECT_SECONDS,
    GRACE_SECONDS,
    LENT_SECONDS,
    Connection,
    ConnectionOptions,
    bad_dsn,
    check_files,
    learn_types,
)
from chekov.store.postgres.errors import (
    DATABASE_ERRORS,
    Fault,
    Translator,
    ends_connection,
    fault_of,
)

T = TypeVar("T")

_LATE: Final = (TimeoutError, StoreUnavailable)


async def patiently(
    work: Callable[[], Awaitable[T]], *, patience: float, translator: Translator
) -> T:
    """Do `work`, again while the database is away: for work that may be repeated.

    Raises:
        StoreUnavailable: it was away for `patience` seconds.
        StoreError: it refuses.
    """
    deadline = asyncio.get_running_loop().time() + patience
    backoff = Backoff()
    while True:
        try:
            return await work()
        except DATABASE_ERRORS as error:
            gone = fault_of(error) in (Fault.LOST, Fault.BUSY)
            if not gone or asyncio.get_running_loop().time() >= deadline:
                raise translator.store_error(error) from error
        await backoff.wait()


class Database:
    """Connections to one store, its name, and how long to wait for it.

    There are two pools: one for our own statements, whose connections need no cleaning, and one
    for the transactions that are lent to handlers and queries.

    Attributes:
        access: where it is, and how to get there.
        schema: the store's schema in it.
        translator: makes our errors of Postgres's.
        patience: how long calls wait while it is away, in seconds.
    """

    def __init__(
        self,
        access: ConnectionOptions,
        schema: str,
        translator: Translator,
        *,
        size: int,
        patience: float,
    ) -> None:
        self.access = access
        self.schema = schema
        self.translator = translator
        self.patience = patience
        self._size = max(size // 2, 1)
        self._own: ConnectionCache | None = None
        self._lent: Pool | None = None

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[None]:
        """Have the pools; connections are made when they are needed.

        Raises:
            StoreError: the DSN cannot be understood, or names files that cannot be read.
        """
        access = self.access
        check_files(access.dsn)
        own = await self._pool(
            access.own("chekov"), longest=access.seconds + GRACE_SECONDS, reset=_nothing
        )
        # What a reset undoes would be undone elsewhere, behind a pooler.
        lent = await self._pool(
            access.lent("chekov handlers"),
            longest=LENT_SECONDS,
            reset=_nothing if access.pooled else None,
        )
        cache = ConnectionCache(own, patience=self.patience)
        self._own, self._lent = cache, lent
        try:
            yield
        finally:
            self._own = self._lent = None
            try:
                await _close(own, cache)
            finally:
                await _close(lent)

    async def fetch(self, sql: LiteralString, *values: object) -> Sequence[Any]:
        """Rows of a statement that may be repeated: it is, while the database is away."""
        cache = opened(self._own)

        async def fetch() -> Sequence[Any]:
            connection = await cache.acquire()
            try:
                return await connection.fetch(sql, *values)
            except DATABASE_ERRORS as error:
                if fault_of(error) is Fault.LOST:
                    # It may look sound, and after a failover it leads to a replica.
                    _discard(connection)
                raise
            except asyncio.CancelledError:
                # To end the statement properly takes for ever when the network is dead.
                _discard(connection)
                raise
            finally:
                await cache.release(connection)

        return await patiently(fetch, patience=self.patience, translator=self.translator)

    @asynccontextmanager
    async def lent(self, *, readonly: bool = False) -> AsyncGenerator[Connection]:
        """A connection inside a transaction, for statements that are not ours.

        Their errors come out as they are, unless the connection itself is at fault.

        Raises:
            StoreUnavailable: none is free in time, or it was lost.
        """
        pool = opened(self._lent)
        try:
            connection = cast("Connection", await pool.acquire(timeout=self.patience))
        except DATABASE_ERRORS as error:
            raise self.translator.store_error(error) from error
        theirs: BaseException | None = None
        try:
            async with connection.transaction(readonly=readonly):
                try:
                    yield connection
                except BaseException as error:
                    theirs = error
                    if isinstance(error, _LATE):
                        # An answer may still come, or never: nothing must wait behind it.
                        _discard(connection)
                    raise
        except Exception as error:
            if isinstance(theirs, _LATE) or not isinstance(theirs, Exception | None):
                # To roll back failed too, which must not hide why.
                _discard(connection)
                raise theirs from error
            if _is_at_fault(connection, error, late=theirs is None, readonly=readonly):
                _discard(connection)
                raise self.translator.unavailable(error) from error
            raise
        finally:
            # What was to be done is done; a connection that breaks now is thrown away.
            with suppress(*DATABASE_ERRORS):
                await pool.release(cast("Any", connection))

    async def _pool(
        self,
        options: dict[str, Any],
        *,
        longest: float,
        reset: Callable[[Any], Awaitable[None]] | None,
    ) -> Pool:
        try:
            return await asyncpg.create_pool(
                self.access.dsn,
                min_size=0,
                max_size=self._size,
                # They live for as long as they work: a busy one need not be made anew.
                max_queries=sys.maxsize,
                timeout=CONNECT_SECONDS,
                command_timeout=longest,
                init=learn_types if self.access.pooled else None,
                reset=reset,
                **options,
            )
        except (asyncpg.ClientConfigurationError, ValueError) as error:
            raise bad_dsn(self.access.dsn, error) from None


def _is_at_fault(connection: Connection, error: Exception, *, late: bool, readonly: bool) -> bool:
    """Whether an error is the connection's; a late answer is, to what was not asked by others."""
    replica = isinstance(error, asyncpg.ReadOnlySQLTransactionError) and not readonly
    overdue = isinstance(error, TimeoutError) and late
    return replica or overdue or ends_connection(error) or is_gone(connection)


def opened(part: T | None) -> T:
    """A part of an open store.

    Raises:
        StoreClosed: the store is not open, so the part is `None`.
    """
    if part is None:
        raise StoreClosed("the store is not open: use it inside `async with store:`")
    return part


def _discard(connection: Connection) -> None:
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _nothing(_connection: Any) -> None:
    pass


async def _close(pool: Pool, cache: ConnectionCache | None = None) -> None:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            if cache is not None:
                await cache.close()
            await pool.close()
    except DATABASE_ERRORS:
        pool.terminate()
