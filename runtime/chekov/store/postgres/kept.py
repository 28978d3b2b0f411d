"""Connections that are kept between statements instead of going back to their pool."""

import time
from typing import Any, Final, TypeAlias, cast

import asyncpg

from chekov.store.postgres.access import Connection

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

_TRIM_SECONDS: Final = 60.0


class Kept:
    """Connections of a pool, the one that was used last given out first.

    To take a connection out of a pool and bring it back costs this process as much as a short
    statement does. So only those go back that somebody waits for, or that were not needed for a
    minute; the pool closes them in its own time.

    Args:
        pool: where they come from.
        patience: how long to wait for one, in seconds.
    """

    def __init__(self, pool: Pool, *, patience: float) -> None:
        self._pool = pool
        self._patience = patience
        self._kept: list[Connection] = []
        self._waiting = 0
        self._unused = 0
        self._trimmed = time.monotonic()

    async def take(self) -> Connection:
        """A connection, to be given back.

        Raises:
            TimeoutError: none was free in time.
        """
        while self._kept:
            connection = self._kept.pop()
            self._unused = min(self._unused, len(self._kept))
            if not is_gone(connection):
                return connection
            await self._release(connection)
        # asyncpg makes a task for a time-out, which costs as much as a short statement.
        wait = None if self._pool.get_idle_size() else self._patience
        self._waiting += 1
        try:
            return cast("Connection", await self._pool.acquire(timeout=wait))
        finally:
            self._waiting -= 1

    async def give(self, connection: Connection) -> None:
        """Give a connection back, also one that broke."""
        if self._waiting or is_gone(connection):
            await self._release(connection)
            return
        self._kept.append(connection)
        if time.monotonic() - self._trimmed > _TRIM_SECONDS:
            unused, self._kept = self._kept[: self._unused], self._kept[self._unused :]
            self._trimmed = time.monotonic()
            self._unused = len(self._kept)
            for connection_ in unused:
                await self._release(connection_)

    async def clear(self) -> None:
        """Let the pool have all that are here."""
        while self._kept:
            await self._release(self._kept.pop())

    async def _release(self, connection: Connection) -> None:
        await self._pool.release(cast("Any", connection))


def is_gone(connection: Connection) -> bool:
    """Whether a connection of a pool is closed."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool takes a broken connection away by itself.
        return True
