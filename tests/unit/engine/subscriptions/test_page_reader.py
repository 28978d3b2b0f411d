import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from chekov.engine.subscriptions.page_cache import PageCache
from chekov.engine.subscriptions.page_reader import PageReader
from chekov.errors import StoreUnavailable
from chekov.store.memory import MemoryStore
from chekov.store.port import EventStore, NewEvent, RecordedEvent
from chekov.store.tail import REACH, Tail
from tests.waiting import until


class Counted:
    """Reads pages of a store, counts what it reads, and fails when it is told to."""

    def __init__(self, events: EventStore) -> None:
        self._events = events
        self.asked: list[tuple[int, int]] = []
        self.rows = 0
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def read_page(self, *, after: int = 0, limit: int = 1000) -> Sequence[RecordedEvent]:
        self.asked.append((after, limit))
        if self.away:
            raise StoreUnavailable("away")
        page = await self._events.read_page(after=after, limit=limit)
        self.rows += len(page)
        await self.gate.wait()
        return page


class Log:
    """A store that holds some events, and readers of it."""

    def __init__(self, store: MemoryStore, group: asyncio.TaskGroup) -> None:
        self.store = store
        self.counted = Counted(store.events)
        self.tail = Tail(lambda after, limit: self.counted.read_page(after=after, limit=limit))
        self.cache = PageCache(self.counted, self.tail.drops, group.create_task)  # type: ignore[arg-type]

    def reader(self) -> PageReader:
        return PageReader(self.cache, self.tail)

    async def append(self, count: int, data: bytes = b"{}") -> None:
        await self.store.append("s", [NewEvent(uuid4(), "t", data) for _ in range(count)])
        self.tail.heard(await self.store.head())


@asynccontextmanager
async def stored(count: int, data: bytes = b"{}") -> AsyncGenerator[Log]:
    async with MemoryStore() as store, asyncio.TaskGroup() as group:
        log = Log(store, group)
        await log.append(count, data)
        yield log


async def read_all(reader: PageReader, position: int = 0) -> list[int]:
    seen: list[int] = []
    while page := await reader.after(position):
        seen += [event.position for event in page]
        position = seen[-1]
    reader.close()
    return seen


async def test_every_event_comes_once_and_in_order_from_wherever_one_begins() -> None:
    async with stored(12_345) as log:
        for start in (0, 1, 999, 1000, 1234, 11_400, 12_344, 12_345):
            assert await read_all(log.reader(), start) == list(range(start + 1, 12_346))


async def test_readers_that_catch_up_together_read_the_log_once() -> None:
    async with stored(20_000) as log:
        everything = list(range(1, 20_001))
        for found in await asyncio.gather(*(read_all(log.reader()) for _ in range(10))):
            assert found == everything
        assert log.counted.rows <= 1.1 * 20_000


async def test_readers_that_begin_at_different_places_share_pages_too() -> None:
    async with stored(20_000) as log:
        starts = (0, 17, 400, 999, 1500, 2001)
        found = await asyncio.gather(*(read_all(log.reader(), start) for start in starts))
        assert [len(item) for item in found] == [20_000 - start for start in starts]
        assert log.counted.rows <= 1.3 * 20_000


async def test_the_next_page_is_read_while_one_is_worked_on() -> None:
    async with stored(5000) as log:
        reader = log.reader()
        first = await reader.after(0)
        await until(lambda: len(log.counted.asked) == 2)
        assert log.counted.asked[1][0] == len(first)
        second = await reader.after(len(first))
        assert second[0].position == len(first) + 1
        assert log.counted.asked[1][0] == len(first)


async def test_pages_of_large_events_hold_fewer_of_them() -> None:
    async with stored(3000, b'{"large": "%s"}' % (b"x" * 40_000)) as log:
        assert await read_all(log.reader()) == list(range(1, 3001))
        # Two were read before their size was known: one here, one by the tail.
        assert sum(limit > 125 for _, limit in log.counted.asked) <= 2


async def test_near_the_head_the_tail_is_read() -> None:
    async with stored(REACH) as log:
        reader = log.reader()
        assert [event.position for event in await reader.after(REACH - 1)] == [REACH]
        assert not reader.far
        assert await reader.after(REACH) == ()


async def test_what_was_read_before_a_drop_is_read_again() -> None:
    """Also when it was read ahead, or is being read."""
    async with stored(5000) as log:
        reader, late = log.reader(), log.reader()
        page = await reader.after(0)
        await until(lambda: len(log.counted.asked) == 2)
        log.counted.gate.clear()
        waiting = asyncio.create_task(late.after(3000))
        await asyncio.sleep(0)
        await log.store.streams.truncate("s", before=5000, erase=True)
        log.tail.drop()
        log.counted.gate.set()
        assert {event.type for event in await reader.after(len(page))} == {"$erased"}
        assert {event.type for event in await waiting} == {"$erased"}
        assert {event.type for event in await log.reader().after(0)} == {"$erased"}
        reader.close()
        late.close()


async def test_memory_is_bounded() -> None:
    """A reader that stays behind keeps nothing cached that was read since."""
    async with stored(2000, b'{"large": "%s"}' % (b"x" * 40_000)) as log:
        await log.append(REACH + 1)
        slow, reader = log.reader(), log.reader()
        await slow.after(0)
        position = 0
        while reader.far or not position:
            position = (await reader.after(position))[-1].position
        rows = log.counted.rows
        await slow.after(0)
        assert log.counted.rows > rows
        slow.close()


async def test_what_everybody_has_read_is_not_kept() -> None:
    async with stored(5000) as log:
        slow, reader, asked = log.reader(), log.reader(), log.counted.asked

        async def read_on(each: PageReader, position: int = 0) -> None:
            # A page with the first event ends at 1000 at most, depending on when its size was
            # learned, and whoever reads up to 2000 has gone on beyond that.
            while position < 2000:
                position = (await each.after(position))[-1].position

        await slow.after(0)
        await read_on(reader)
        before = len(asked)
        position = (await slow.after(0))[-1].position
        assert all(after > 0 for after, _ in asked[before:])
        await read_on(slow, position)
        before = len(asked)
        late = log.reader()
        await late.after(0)
        assert any(after == 0 for after, _ in asked[before:])
        for item in (slow, reader, late):
            item.close()


async def test_when_nobody_catches_up_nothing_stays_cached() -> None:
    async with stored(5000) as log:
        await read_all(log.reader())
        rows = log.counted.rows
        await log.reader().after(0)
        assert log.counted.rows > rows


async def test_a_store_that_goes_away_is_reported_to_the_reader_and_tried_again() -> None:
    async with stored(5000) as log:
        reader = log.reader()
        log.counted.away = True
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await reader.after(0)
        log.counted.away = False
        assert await read_all(reader) == list(range(1, 5001))


async def test_positions_that_are_missing_are_passed_over() -> None:
    async with stored(5000) as log:
        read_page = log.counted.read_page

        async def holed(*, after: int = 0, limit: int = 1000) -> Sequence[RecordedEvent]:
            page = await read_page(after=after, limit=2 * limit + 2000)
            return [event for event in page if not 300 < event.position <= 2300][:limit]

        log.counted.read_page = holed  # type: ignore[method-assign]
        expected = [*range(1, 301), *range(2301, 5001)]
        assert await read_all(log.reader()) == expected
        assert await read_all(log.reader(), 1000) == expected[300:]
