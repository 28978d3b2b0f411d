"""Connections that are kept between statements instead of going back to their pool."""

import asyncio
from typing import Any, Final, TypeAlias, cast

import asyncpg

from chekov.store.postgres.connection_options import Connection

DriverPool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

_TRIM_SECONDS: Final = 150.0


class ConnectionCache:
    """Connections of a pool, the one that was used last given out first.

    To take a connection out of a pool and bring it back costs this process as much as a short
    statement does. Those that were not needed for some minutes are closed, as the pool does it.

    Callers that wait are served in the order they came. The pool's own queue lets a newcomer
    overtake: of ten subscriptions on five connections, some waited for seconds for each turn.

    Args:
        pool: where they come from.
        patience: how long to wait for one, in seconds.
    """

    def __init__(self, pool: DriverPool, *, patience: float) -> None:
        self._pool = pool
        self._patience = patience
        self._cached: list[Connection] = []
        self._free = asyncio.Semaphore(pool.get_max_size())
        self._unused = 0
        self._closing = False
        self._timer = asyncio.get_running_loop().call_later(_TRIM_SECONDS, self._trim)

    async def acquire(self) -> Connection:
        """A connection, to be given back.

        Raises:
            TimeoutError: none was free in time.
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

    async def release(self, connection: Connection) -> None:
        """Give a connection back, also one that broke."""
        self._free.release()
        if self._closing or is_gone(connection):
            await self._return(connection)
        else:
            self._cached.append(connection)

    async def close(self) -> None:
        """Let the pool have all of them, now or when they are given back."""
        self._closing = True
        self._timer.cancel()
        while self._cached:
            await self._return(self._cached.pop())

    def _trim(self) -> None:
        """Close those that were not used since this was done last."""
        unused, self._cached = self._cached[: self._unused], self._cached[self._unused :]
        self._unused = len(self._cached)
        for connection in unused:
            if not is_gone(connection):
                connection.terminate()
        self._timer = asyncio.get_running_loop().call_later(_TRIM_SECONDS, self._trim)

    async def _taken(self) -> Connection:
        while self._cached:
            connection = self._cached.pop()
            self._unused = min(self._unused, len(self._cached))
            if not is_gone(connection):
                return connection
            await self._return(connection)
        # asyncpg makes a task for a time-out, which costs as much as a short statement.
        wait = None if self._pool.get_idle_size() else self._patience
        return cast("Connection", await self._pool.acquire(timeout=wait))

    async def _return(self, connection: Connection) -> None:
        await self._pool.release(cast("Any", connection))


def is_gone(connection: Connection) -> bool:
    """Whether a connection of a pool is closed."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool takes a broken connection away by itself.
        return True
