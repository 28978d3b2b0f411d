"""Writes that are deferred and sent together, and a connection that ends with the handler."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chekov.domain.handler import TransactionEnded
from chekov.engine.subscriptions import deferred_writes
from chekov.engine.subscriptions.deferred_writes import DeferredWrites


class Recorder:
    """A connection that records what it is asked to do.

    Attributes:
        sent: each call, in order.
        gate: a statement "wait" lasts until it is set.
        waiting: set once there is such a statement.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self.gate = asyncio.Event()
        self.waiting = asyncio.Event()

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        self.sent.append((query, *args))
        if query == "wait":
            self.waiting.set()
            await self.gate.wait()
        return "DONE"

    async def executemany(
        self, command: str, args: Iterable[Sequence[Any]], *, timeout: float | None = None
    ) -> None:
        self.sent.append((command, list(args)))

    async def fetch(
        self, query: str, *args: Any, timeout: float | None = None
    ) -> Sequence[Mapping[str, Any]]:
        self.sent.append((query, *args))
        return []

    async def fetchrow(
        self, query: str, *args: Any, timeout: float | None = None
    ) -> Mapping[str, Any] | None:
        self.sent.append((query, *args))
        return None

    async def fetchval(
        self, query: str, *args: Any, column: int = 0, timeout: float | None = None
    ) -> Any:
        self.sent.append((query, *args))
        return column

    async def copy_records_to_table(self, table: str, *, records: Any) -> str:
        self.sent.append((table, records))
        return "COPY"

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        self.sent.append(("savepoint",))
        try:
            yield
        except BaseException:
            self.sent.append(("rollback",))
            raise
        self.sent.append(("release",))

    async def cursor(self, query: str, *args: Any) -> AsyncIterator[Mapping[str, Any]]:
        self.sent.append((query, *args))
        yield {}


async def ended(writes: DeferredWrites) -> None:
    """End the turn, as who passes events to a projection does."""
    if writes.end_turn():
        await writes.settle()


def begun(*, independent: bool = False) -> tuple[Recorder, DeferredWrites]:
    recorder = Recorder()
    return recorder, DeferredWrites(recorder, independent=independent)


async def test_runs_of_one_statement_are_sent_as_one_in_order() -> None:
    recorder, writes = begun()
    for statement, value in [("a", 1), ("a", 2), ("b", 3), ("a", 4)]:
        writes.write(0, statement, (value,))
    assert recorder.sent == []
    await writes.flush()
    assert recorder.sent == [("a", [(1,), (2,)]), ("b", 3), ("a", 4)]
    await writes.flush()
    assert len(recorder.sent) == 3


async def test_independent_writes_are_sent_by_statement() -> None:
    recorder, writes = begun(independent=True)
    for statement, value in [("a", 1), ("b", 2), ("a", 3), ("b", 4)]:
        writes.write(0, statement, (value,))
    await writes.flush()
    assert recorder.sent == [("a", [(1,), (3,)]), ("b", [(2,), (4,)])]


@pytest.mark.parametrize(
    "method", ["execute", "executemany", "fetch", "fetchrow", "fetchval", "copy_records_to_table"]
)
async def test_they_are_sent_before_the_connection_is_used(method: str) -> None:
    recorder, writes = begun()
    writes.write(0, "first", (1,))
    further: dict[str, Any] = {"records": []} if method.startswith("copy") else {}
    arguments: tuple[Any, ...] = ([],) if method == "executemany" else ()
    await getattr(writes.connection(0), method)("second", *arguments, **further)
    assert [call[0] for call in recorder.sent] == ["first", "second"]


async def test_they_are_sent_before_rows_are_read_one_by_one() -> None:
    recorder, writes = begun()
    writes.write(0, "first", ())
    assert [row async for row in writes.connection(0).cursor("second")] == [{}]
    assert recorder.sent == [("first",), ("second",)]


async def test_rows_may_be_left_unread() -> None:
    _, writes = begun()
    rows = writes.connection(0).cursor("rows")
    assert await anext(rows) == {}
    await ended(writes)
    with pytest.raises(TransactionEnded):
        await anext(rows)


async def test_those_of_a_savepoint_are_rolled_back_with_it() -> None:
    recorder, writes = begun()
    writes.write(0, "before", ())

    async def fail() -> None:
        async with writes.connection(0).transaction():
            writes.write(0, "lost", ())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with writes.connection(0).transaction():
        writes.write(0, "inside", ())
    await writes.flush()
    assert recorder.sent == [
        ("before",), ("savepoint",), ("rollback",), ("savepoint",), ("inside",), ("release",),
    ]  # fmt: skip


async def test_after_the_turn_everything_is_refused() -> None:
    recorder, writes = begun()
    connection = writes.connection(0)
    await ended(writes)
    for use in (
        connection.execute("late"),
        connection.executemany("late", []),
        connection.fetch("late"),
        connection.fetchrow("late"),
        connection.fetchval("late"),
        connection.copy_records_to_table("late", records=[]),
        connection.transaction().__aenter__(),
        connection.cursor("late").__anext__(),
    ):
        with pytest.raises(TransactionEnded, match="ended when the handler returned"):
            await use
    with pytest.raises(TransactionEnded):
        writes.write(0, "late", ())
    assert recorder.sent == []
    await writes.connection(1).execute("in time")


async def test_a_handler_that_leaves_a_statement_running_has_failed() -> None:
    recorder, writes = begun()
    left = asyncio.create_task(writes.connection(0).execute("wait"))
    await recorder.waiting.wait()
    with pytest.raises(TransactionEnded, match="a statement of its transaction was running"):
        await ended(writes)
    with pytest.raises(TransactionEnded, match="ended when the handler returned"):
        await left


async def test_memory_is_bounded_although_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred_writes, "_MOST_DEFERRED", 3)
    recorder, writes = begun()
    for turn in range(4):
        writes.write(turn, "a", (turn,))
        await ended(writes)
    assert recorder.sent == [("a", [(0,), (1,), (2,)])]
