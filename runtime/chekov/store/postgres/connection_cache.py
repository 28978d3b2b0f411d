"""Connections that are cached between statements instead of being released to their pool."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final, TypeAlias, cast

import asyncpg

from chekov.store.postgres.connection_options import DriverConnection

DriverPool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

_TRIM_SECONDS: Final = 150.0


class ConnectionCache:
    """Connections of a pool; the one that was used last is acquired first.

    To acquire a connection from asyncpg's pool and to release it costs this process as much as a
    short statement: without this cache, a read of three events takes 1.4 times as long
    (`benchmarks/write_paths.py`). Connections that were not used for some minutes are closed, as
    the pool does it.

    Waiting callers are served in the order of their arrival. In the pool's own queue a newcomer can
    overtake: of ten subscriptions on five connections, some waited for seconds for each turn.

    Args:
        pool: makes and closes the connections.
        patience: how long `acquire` waits, in seconds.
    """

    def __init__(self, pool: DriverPool, *, patience: float) -> None:
        self._pool = pool
        self._patience = patience
        self._cached: list[DriverConnection] = []
        self._free = asyncio.Semaphore(pool.get_max_size())
        self._unused = 0
        self._closing = False
        self._timer = asyncio.get_running_loop().call_later(_TRIM_SECONDS, self._trim)

    async def acquire(self) -> DriverConnection:
        """Return a connection; the caller releases it.

        Raises:
            TimeoutError: no connection was free in time.
        """
        if self._free.locked():
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        else:
            await self._free.acquire()
        try:
            return await self._taken()
        except BaseException:
            self._free.release()
            raise

    async def release(self, connection: DriverConnection) -> None:
        """Take a connection back, also a broken one."""
        self._free.release()
        if self._closing or is_gone(connection):
            await self._return(connection)
        else:
            self._cached.append(connection)

    def retire(self) -> None:
        """Close the connections that are cached; lent ones are closed by who has them."""
        unused, self._cached = self._cached, []
        self._unused = 0
        _terminate(unused)

    async def close(self) -> None:
        """Return cached connections to the pool now; lent ones when they are released."""
        self._closing = True
        self._timer.cancel()
        while self._cached:
            await self._return(self._cached.pop())

    def _trim(self) -> None:
        """Close the connections that were not used since the last time."""
        unused, self._cached = self._cached[: self._unused], self._cached[self._unused :]
        self._unused = len(self._cached)
        _terminate(unused)
        self._timer = asyncio.get_running_loop().call_later(_TRIM_SECONDS, self._trim)

    async def _taken(self) -> DriverConnection:
        while self._cached:
            connection = self._cached.pop()
            self._unused = min(self._unused, len(self._cached))
            if not is_gone(connection):
                return connection
            await self._return(connection)
        # asyncpg makes a task for a timeout, which costs as much as a short statement.
        wait = None if self._pool.get_idle_size() else self._patience
        return cast("DriverConnection", await self._pool.acquire(timeout=wait))

    async def _return(self, connection: DriverConnection) -> None:
        await self._pool.release(cast("Any", connection))


def _terminate(connections: Iterable[DriverConnection]) -> None:
    for connection in connections:
        if not is_gone(connection):
            connection.terminate()


def is_gone(connection: DriverConnection) -> bool:
    """Whether a connection of a pool is closed."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool has removed the broken connection itself.
        return True
