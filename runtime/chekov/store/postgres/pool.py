"""Connections to one database, which the stores in its schemas may share."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, Self, TypeVar, cast

import asyncpg

from chekov.errors import StoreClosed
from chekov.store.postgres.connection_cache import ConnectionCache, DriverPool
from chekov.store.postgres.connection_options import (
    CONNECT_SECONDS,
    GRACE_SECONDS,
    LENT_SECONDS,
    QUERY_SECONDS,
    STATEMENT_SECONDS,
    ConnectionOptions,
    DriverConnection,
    bad_dsn,
    connect,
    dial,
    exchange_json,
    learn_types,
)
from chekov.store.postgres.dsn import check_dsn
from chekov.store.postgres.errors import DATABASE_ERRORS
from chekov.store.postgres.lent_connection import LentConnection, PoolerConnection
from chekov.store.postgres.server_watch import ServerWatch

T = TypeVar("T")

POOL_SIZE: Final = 10
PATIENCE_SECONDS: Final = 10.0
_BESIDE_THE_POOL: Final = 5
"""Of one store: three for appends, one that listens, one whose end shows that the process died."""


class PostgresPool:
    """Connections to a database, made when they are needed; opened as an async context manager.

    Half of the connections run the stores' own statements and keep no session state. The other half
    are lent, each time inside a transaction: some of them to handlers, the rest to queries, so that
    neither slow queries nor slow handlers can take the connections of the others.

    Several stores, each in a schema of its own, may share a pool; it closes when the last of them
    and its own block is left. Each store still has connections of its own: up to three for appends,
    one that listens, and one for the place of its process among the others (`most_connections`).

    Args:
        dsn: where the database is, as a `postgresql://` URL.
        size: most connections, 3 at least.
        patience: how long calls wait for a database that is away, in seconds.
        pooled: the DSN leads to a pooler in transaction mode, such as PgBouncer.
        statement_timeout: seconds after which Postgres cancels one of the stores' own statements;
            half of it is the longest wait for a lock. Behind a pooler, set it for the role.
        query_timeout: seconds after which Postgres cancels a statement of a query.
        read_only: have the server refuse writes, unless the DSN leads to a pooler.

    Attributes:
        query_timeout: as above.
        handlers: how many more connections handlers may be lent.
        queries: how many more connections queries may be lent.
        options: how connections are made.
        patience: as above.
        servers: which server the connections lead to.
    """

    def __init__(
        self,
        dsn: str,
        *,
        size: int = POOL_SIZE,
        patience: float = PATIENCE_SECONDS,
        pooled: bool = False,
        statement_timeout: float = STATEMENT_SECONDS,
        query_timeout: float = QUERY_SECONDS,
        read_only: bool = False,
    ) -> None:
        self.query_timeout = query_timeout
        self.options = ConnectionOptions(dsn, pooled, statement_timeout, read_only)
        self.patience = patience
        self.servers = ServerWatch(self._retire)
        self._half, self._most_lent = _halves(size)
        queries = max(self._half // 2, 1)
        self.queries = asyncio.Semaphore(queries)
        self.handlers = asyncio.Semaphore(self._most_lent - queries)
        self._entered = 0
        self._stack = AsyncExitStack()
        self._own: ConnectionCache | None = None
        self._lent: DriverPool | None = None
        self._lent_generation = 0

    async def __aenter__(self) -> Self:
        """Open the pool.

        Raises:
            StoreError: the DSN is invalid, or names files that cannot be read.
        """
        if not self._entered:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self._opened())
                self._stack = stack.pop_all()
        self._entered += 1
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._entered -= 1
        if not self._entered:
            await self._stack.aclose()

    @property
    def own(self) -> ConnectionCache:
        """Connections for the stores' own statements.

        Raises:
            StoreClosed: the pool is not open.
        """
        return opened(self._own)

    async def lent(self) -> DriverPool:
        """Connections to lend.

        Raises:
            StoreClosed: the pool is not open.
        """
        pool = opened(self._lent)
        if self._lent_generation != self.servers.generation:
            self._lent_generation = self.servers.generation
            await pool.expire_connections()
        return pool

    async def connect(self, application: str) -> DriverConnection:
        """Make a connection that is not one of the pool's; the caller closes it.

        Raises:
            StoreError: the DSN is invalid, or names files that cannot be read.
        """
        return await self._checked(await connect(self.options, application=application))

    async def _dial(self, dsn: str, **options: Any) -> DriverConnection:
        return await self._checked(await dial(dsn, **options))

    async def _checked(self, connection: DriverConnection) -> DriverConnection:
        try:
            await self.servers.check(connection, timeout=CONNECT_SECONDS)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _retire(self) -> None:
        if self._own is not None:
            self._own.retire()

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[None]:
        options = self.options
        check_dsn(options.dsn)
        own = await self._driver_pool(
            options.own("chekov"),
            size=self._half,
            longest=options.seconds + GRACE_SECONDS,
            init=learn_types if options.pooled else None,
            reset=_nothing,
        )
        # Behind a pooler, a reset would undo the settings of another connection.
        lent = await self._driver_pool(
            options.lent("chekov handlers"),
            size=self._most_lent,
            longest=LENT_SECONDS + GRACE_SECONDS,
            init=_prepare_to_lend if options.pooled else exchange_json,
            reset=_nothing if options.pooled else None,
            connection_class=PoolerConnection if options.pooled else LentConnection,
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

    async def _driver_pool(
        self,
        options: dict[str, Any],
        *,
        size: int,
        longest: float,
        init: Any,
        reset: Callable[[Any], Awaitable[None]] | None,
        connection_class: type[Any] = asyncpg.Connection,
    ) -> DriverPool:
        try:
            return await asyncpg.create_pool(
                self.options.dsn,
                min_size=0,
                max_size=size,
                # A connection lives as long as it works, however busy it is.
                max_queries=sys.maxsize,
                timeout=CONNECT_SECONDS,
                command_timeout=longest,
                init=init,
                reset=reset,
                connection_class=connection_class,
                connect=cast("Any", self._dial),
                **options,
            )
        except (asyncpg.ClientConfigurationError, ValueError) as error:
            raise bad_dsn(self.options.dsn, error) from None


def most_connections(size: int = POOL_SIZE) -> int:
    """How many connections a process holds at most that runs one store over a pool of this size.

    Now and then it makes one more for a moment, to see where the address leads.
    """
    return sum(_halves(size)) + _BESIDE_THE_POOL


def _halves(size: int) -> tuple[int, int]:
    """How many connections run the stores' own statements, and how many are lent."""
    half = max(size // 2, 1)
    return half, max(half, 2)


def opened(part: T | None) -> T:
    """A part of something open.

    Raises:
        StoreClosed: the store is not open, so the part is `None`.
    """
    if part is None:
        raise StoreClosed("the store is not open: use it inside `async with store:`")
    return part


async def _prepare_to_lend(connection: Any) -> None:
    await learn_types(connection)
    await exchange_json(connection)


async def _nothing(_connection: Any) -> None:
    pass


async def _close(pool: DriverPool, cache: ConnectionCache | None = None) -> None:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            if cache is not None:
                await cache.close()
            await pool.close()
    except DATABASE_ERRORS:
        pool.terminate()
