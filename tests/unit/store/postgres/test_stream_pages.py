"""Which reads of streams share a statement."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chekov.errors import StoreClosed, StoreUnavailable
from chekov.store.port import RecordedEvent
from chekov.store.postgres.stream_pages import MOST_EVENTS, MOST_STREAMS, UNDER_WAY, StreamPages


class Database:
    """Streams of so many events; statements wait until they are let through."""

    def __init__(self, **lengths: int) -> None:
        self.lengths = lengths
        self.statements: list[str | list[str]] = []
        self.free = asyncio.Event()
        self.error: Exception | None = None
        self.open = True
        self.tasks: set[asyncio.Task[None]] = set()
        self.pages = StreamPages(self._read_one, self._read_many, self._start)

    def read(self, stream: str, after: int = 0, limit: int = 1000) -> "asyncio.Task[list[int]]":
        async def versions() -> list[int]:
            return [event.version for event in await self.pages.read(stream, after, limit)]

        return asyncio.create_task(versions())

    def _events(self, stream: str, after: int, limit: int) -> Sequence[RecordedEvent]:
        length = min(self.lengths.get(stream, 0), after + limit)
        return [
            RecordedEvent(
                number, stream, number, UUID(int=number), "t", b"{}",
                None, None, None, datetime.now(UTC),
            )
            for number in range(after + 1, length + 1)
        ]  # fmt: skip

    async def _read_one(self, stream: str, after: int, limit: int) -> Sequence[RecordedEvent]:
        self.statements.append(stream)
        await self._answer()
        return self._events(stream, after, limit)

    async def _read_many(
        self, streams: Sequence[str], after: Sequence[int], limit: int
    ) -> Sequence[Sequence[RecordedEvent]]:
        self.statements.append(list(streams))
        await self._answer()
        return [self._events(*asked, limit) for asked in zip(streams, after, strict=True)]

    async def _answer(self) -> None:
        await self.free.wait()
        if self.error is not None:
            raise self.error

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        if not self.open:
            work.close()
            raise StoreClosed("closed")
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def sent() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


ALONE = [f"alone-{number}" for number in range(UNDER_WAY)]


async def test_few_reads_have_a_statement_each() -> None:
    database = Database(**dict.fromkeys(ALONE, 3))
    database.free.set()
    tasks = [database.read(stream) for stream in ALONE]
    assert await asyncio.gather(*tasks) == [[1, 2, 3]] * UNDER_WAY
    assert database.statements == ALONE


async def test_reads_that_wait_share_a_statement() -> None:
    database = Database(a=2, c=3)
    tasks = [database.read(stream) for stream in ALONE]
    await sent()
    found = [database.read("a"), database.read("b"), database.read("c", after=1)]
    await sent()
    assert database.statements == ALONE
    database.free.set()
    assert await asyncio.gather(*found) == [[1, 2], [], [2, 3]]
    assert database.statements == [*ALONE, ["a", "b", "c"]]
    assert await asyncio.gather(*tasks) == [[]] * UNDER_WAY


async def test_a_stream_that_has_more_is_read_by_itself_as_one_moment_of_it() -> None:
    database = Database(long=MOST_EVENTS + 5, short=MOST_EVENTS - 1)
    tasks = [database.read(stream) for stream in ALONE]
    await sent()
    found = [database.read("long"), database.read("short"), database.read("long", limit=4)]
    database.free.set()
    long, short, cut = await asyncio.gather(*found)
    assert long == list(range(1, MOST_EVENTS + 6))
    assert short == list(range(1, MOST_EVENTS))
    assert cut == [1, 2, 3, 4]
    await asyncio.gather(*tasks)


async def test_more_than_fit_into_a_statement_are_read_with_several() -> None:
    names = [f"s{number}" for number in range(UNDER_WAY + MOST_STREAMS + 3)]
    database = Database(**dict.fromkeys(names, 1))
    tasks = [database.read(name) for name in names]
    await sent()
    database.free.set()
    assert await asyncio.gather(*tasks) == [[1]] * len(names)
    together = database.statements[UNDER_WAY:]
    assert [len(item) for item in together] == [MOST_STREAMS, len(names) - MOST_STREAMS - UNDER_WAY]


async def test_one_that_gave_up_is_not_read() -> None:
    database = Database(a=1)
    tasks = [database.read(stream) for stream in ALONE]
    await sent()
    gone, found = database.read("gone"), database.read("a")
    await sent()
    gone.cancel()
    await sent()
    database.free.set()
    assert await found == [1]
    assert database.statements == [*ALONE, ["a"]]
    await asyncio.gather(*tasks)


async def test_an_error_reaches_all_and_ends_nothing() -> None:
    database = Database(a=1)
    tasks = [database.read(stream) for stream in (*ALONE, "a", "b")]
    await sent()
    database.error = StoreUnavailable("away")
    database.free.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(item, StoreUnavailable) for item in found)
    database.error = None
    assert await database.read("a") == [1]


async def test_those_that_wait_when_the_store_is_closed_learn_it() -> None:
    database = Database()
    tasks = [database.read(stream) for stream in (*ALONE, "a", "b")]
    await sent()
    database.open = False
    database.free.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert found[:UNDER_WAY] == [[]] * UNDER_WAY
    assert all(isinstance(item, StoreClosed) for item in found[UNDER_WAY:])


async def test_a_shared_read_that_is_cancelled_leaves_nobody_waiting() -> None:
    database = Database()
    tasks = [database.read(stream) for stream in (*ALONE, "a")]
    await sent()
    for task in tasks[:UNDER_WAY]:
        task.cancel()
    await sent()
    [shared] = database.tasks
    shared.cancel()
    with pytest.raises(StoreClosed):
        await tasks[-1]
