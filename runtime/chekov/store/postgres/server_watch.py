"""Which server the connections of a pool lead to: after a switchover, all of them move."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import asyncpg

_IDENTITY: Final = "select pg_postmaster_start_time()"

_log: Final = logging.getLogger(__name__)


class ServerWatch:
    """Notices that the address leads to another server, or that the server takes no writes.

    The former server of a switchover may stay up, so that its connections go on working: they read
    what is old by now, and hear of nothing. So all that were made before a move are replaced.

    Attributes:
        generation: rises when connections made before are to be replaced.

    Args:
        on_moved: called when that happens.
    """

    def __init__(self, on_moved: Callable[[], None]) -> None:
        self.generation = 0
        self._on_moved = on_moved
        self._started: datetime | None = None
        self._read_only = False

    async def check(self, connection: Any, *, timeout: float) -> None:
        """Note which server a new connection leads to.

        Args:
            connection: was just made.
            timeout: seconds for the answer.

        Raises:
            ConnectionResetError: the others moved on while this one was made.
        """
        generation = self.generation
        started = await connection.fetchval(_IDENTITY, timeout=timeout)
        if not is_writable(connection):
            # A replica, of a name that leads to several servers: not where the others should go.
            return
        self._read_only = False
        if started == self._started:
            return
        if generation != self.generation:
            raise ConnectionResetError("the address of the database leads to another server now")
        is_first, self._started = self._started is None, started
        if not is_first:
            self._move("the database was restarted, or its address leads to another server")

    def met_read_only(self) -> None:
        """Note that a server refuses to write: the address may lead to another one by now."""
        if not self._read_only:
            self._read_only = True
            self._move("the database is read-only")

    def learn(self, error: BaseException) -> None:
        """Note what an error of a statement says about the server."""
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            self.met_read_only()

    def _move(self, reason: str) -> None:
        self.generation += 1
        _log.warning("connections to the database are made anew", extra={"reason": reason})
        self._on_moved()


def is_writable(connection: Any) -> bool:
    """Whether the server takes writes, as far as it has said so: Postgres does, poolers do not."""
    settings = connection.get_settings()
    return not any(
        getattr(settings, name, "off") == "on"
        for name in ("in_hot_standby", "default_transaction_read_only")
    )
