"""The database transaction of a batch of events, as each handler sees it in its turn.

A handler may defer writes, which are sent together: an upsert for each event then costs a fraction
of a round trip. And it may use the connection only until it returns, since the next event's handler
has the same one.
"""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypeAlias

from chekov.domain.connection import Connection
from chekov.domain.handler import TransactionEnded

_Write: TypeAlias = tuple[str, tuple[Any, ...]]

_MOST_DEFERRED: Final = 5000
"""Writes after which they are sent although nobody reads."""


class DeferredWrites:
    """Collects the writes of one database transaction, and sends them.

    Args:
        connection: in the transaction.
        independent: whether writes of different statements may change their order.

    Attributes:
        turn: the number of the event whose handler runs.
    """

    def __init__(self, connection: Connection, *, independent: bool) -> None:
        self.turn = 0
        self._connection = connection
        self._independent = independent
        self._deferred: list[_Write] = []
        self._running: list[asyncio.Task[Any] | None] = []
        self._unused = asyncio.Event()
        self._now = asyncio.get_running_loop().time
        self._used_at = self._now()
        self._longest_idle = 0.0

    @property
    def idle_seconds(self) -> float:
        """The longest time, in seconds, in which nothing was executed."""
        idle = 0.0 if self._running else self._now() - self._used_at
        return max(self._longest_idle, idle)

    @contextmanager
    def _statement(self) -> Generator[None]:
        self._longest_idle = self.idle_seconds
        task, turn = asyncio.current_task(), self.turn
        self._running.append(task)
        try:
            yield
        except asyncio.CancelledError:
            if turn != self.turn:
                raise _ended() from None
            raise
        finally:
            self._running.remove(task)
            self._used_at = self._now()
            if not self._running:
                self._unused.set()

    @property
    def driver(self) -> Connection:
        """The driver's own connection."""
        return self._connection

    def connection(self, turn: int) -> "TurnConnection":
        """See `Writes`."""
        return TurnConnection(self, turn)

    def write(self, turn: int, statement: str, args: tuple[Any, ...]) -> None:
        """See `Writes`.

        Raises:
            TransactionEnded: that turn is over.
        """
        if turn != self.turn:
            raise _ended()
        self._deferred.append((statement, args))

    async def copy(
        self, turn: int, table: str, rows: Iterable[Sequence[Any]], columns: Sequence[str] | None
    ) -> None:
        """See `Writes`.

        Raises:
            TransactionEnded: that turn is over.
        """
        connection: Any = self.connection(turn)
        await connection.copy_records_to_table(table, records=rows, columns=columns)

    def end_turn(self) -> bool:
        """Let no one use the transaction until the next turn, which begins now.

        Returns:
            Whether `settle` is to be awaited first; mostly not, so that this is no coroutine.
        """
        self.turn += 1
        return bool(self._running) or len(self._deferred) >= _MOST_DEFERRED

    async def settle(self) -> None:
        """Finish what the former turn left.

        Raises:
            TransactionEnded: a statement of it is still running.
            Exception: writes had to be sent, and failed.
        """
        if await self._cancel():
            raise TransactionEnded(
                "the handler returned while a statement of its transaction was running: await "
                "everything that uses the transaction before returning"
            )
        await self.flush()

    async def close(self) -> bool:
        """End the turn, and cancel the statements of it that still run; return whether any did."""
        self.turn += 1
        return await self._cancel()

    async def _cancel(self) -> bool:
        running = [task for task in self._running if task is not None]
        for task in running:
            task.cancel()
        if running:
            self._unused.clear()
            await self._unused.wait()
        return bool(running)

    async def flush(self) -> None:
        """Send the deferred writes.

        Raises:
            Exception: one of them failed; the transaction is of no more use.
        """
        deferred = self._deferred
        if not deferred:
            return
        self._deferred = []
        with self._statement():
            await self._send(deferred)

    async def _send(self, deferred: Sequence[_Write]) -> None:
        for statement, rows in self._runs(deferred):
            if len(rows) == 1:
                await self._connection.execute(statement, *rows[0])
            else:
                await self._connection.executemany(statement, rows)

    def _runs(self, writes: Sequence[_Write]) -> Iterable[tuple[str, Sequence[tuple[Any, ...]]]]:
        """Statements with the parameters that they are run with, one after the other."""
        if self._independent:
            found: dict[str, list[tuple[Any, ...]]] = {}
            for statement, args in writes:
                found.setdefault(statement, []).append(args)
            return found.items()
        return (
            (statement, [args for _, args in run])
            for statement, run in groupby(writes, key=itemgetter(0))
        )

    @asynccontextmanager
    async def using(self, turn: int) -> AsyncGenerator[Connection]:
        """The connection for one statement of a turn, after the deferred writes.

        Raises:
            TransactionEnded: that turn is over.
        """
        if turn != self.turn:
            raise _ended()
        with self._statement():
            await self.flush()
            yield self._connection

    def forget(self) -> None:
        """Drop the deferred writes: what they belong to is rolled back."""
        self._deferred.clear()


class TurnConnection:
    """The connection during the turn of one event."""

    def __init__(self, writes: DeferredWrites, turn: int) -> None:
        self._writes = writes
        self._turn = turn

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """See `Connection`."""
        async with self._writes.using(self._turn) as connection:
            return await connection.execute(query, *args, timeout=timeout)

    async def executemany(
        self, command: str, args: Iterable[Sequence[Any]], *, timeout: float | None = None
    ) -> None:
        """See `Connection`."""
        async with self._writes.using(self._turn) as connection:
            await connection.executemany(command, args, timeout=timeout)

    async def fetch(
        self, query: str, *args: Any, timeout: float | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """See `Connection`."""
        async with self._writes.using(self._turn) as connection:
            return await connection.fetch(query, *args, timeout=timeout)

    async def fetchrow(
        self, query: str, *args: Any, timeout: float | None = None
    ) -> Mapping[str, Any] | None:
        """See `Connection`."""
        async with self._writes.using(self._turn) as connection:
            return await connection.fetchrow(query, *args, timeout=timeout)

    async def fetchval(
        self, query: str, *args: Any, column: int = 0, timeout: float | None = None
    ) -> Any:
        """See `Connection`."""
        async with self._writes.using(self._turn) as connection:
            return await connection.fetchval(query, *args, column=column, timeout=timeout)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        """See `Connection`; writes that are deferred in the block belong to it."""
        writes, turn = self._writes, self._turn
        async with writes.using(turn) as connection:
            savepoint = connection.transaction()
            await savepoint.__aenter__()
        try:
            yield
            await writes.flush()
        except BaseException as error:
            writes.forget()
            await savepoint.__aexit__(type(error), error, error.__traceback__)
            raise
        await savepoint.__aexit__(None, None, None)

    async def cursor(self, query: str, *args: Any) -> AsyncIterator[Mapping[str, Any]]:
        """See `Connection`."""
        rows: AsyncIterator[Mapping[str, Any]] | None = None
        while True:
            # Nothing of this turn is running while the caller looks at a row, or stops reading.
            async with self._writes.using(self._turn) as connection:
                rows = rows or aiter(connection.cursor(query, *args))
                row = await anext(rows, None)
            if row is None:
                return
            yield row

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """What else the driver's connection can do that is awaited, such as copying rows."""
        found: Any = getattr(self._writes.driver, name)

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            async with self._writes.using(self._turn):
                return await found(*args, **kwargs)

        return awaited


def _ended() -> TransactionEnded:
    return TransactionEnded(
        "the transaction ended when the handler returned: await everything that uses it before "
        "returning"
    )
