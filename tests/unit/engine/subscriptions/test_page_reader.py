import asyncio
from uuid import uuid4

import pytest

from chekov.engine.subscriptions.page_reader import PageReader
from chekov.errors import StoreUnavailable
from chekov.store.memory import MemoryStore
from chekov.store.port import NewEvent, RecordedEvent
from tests.doubles import OwnEvents
from tests.waiting import until


class Watched(OwnEvents):
    """Remembers what was asked for, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.away = False

    async def read_page(self, *, after: int = 0, **conditions: object) -> list[RecordedEvent]:
        self.asked.append(after)
        if self.away:
            raise StoreUnavailable("away")
        return list(await super().read_page(after=after, **conditions))  # type: ignore[arg-type]


async def filled(store: MemoryStore, count: int) -> None:
    await store.append("s", [NewEvent(uuid4(), "t", b"{}") for _ in range(count)])


async def last_page(pages: PageReader, position: int) -> None:
    while page := await pages.after(position):
        position = page[-1].position


async def test_the_next_page_is_read_while_one_is_worked_on() -> None:
    async with Watched() as store:
        await filled(store, 600)
        pages = PageReader(store, asyncio.create_task)
        first = await pages.after(0)
        await until(lambda: store.asked == [0, len(first)])
        second = await pages.after(len(first))
        assert second[0].position == len(first) + 1
        assert store.asked[:2] == [0, len(first)]


async def test_every_event_comes_once_and_in_order() -> None:
    async with Watched() as store:
        await filled(store, 5000)
        pages = PageReader(store, asyncio.create_task)
        seen: list[int] = []
        while page := await pages.after(len(seen)):
            seen += [event.position for event in page]
        assert seen == list(range(1, 5001))


async def test_a_reader_that_jumps_gets_what_it_asks_for() -> None:
    async with Watched() as store:
        await filled(store, 2000)
        pages = PageReader(store, asyncio.create_task)
        await pages.after(0)
        assert (await pages.after(1234))[0].position == 1235


async def test_what_came_after_an_empty_look_ahead_is_found() -> None:
    async with Watched() as store:
        await filled(store, 250)
        pages = PageReader(store, asyncio.create_task)
        assert len(await pages.after(0)) == 250
        await until(lambda: store.asked == [0, 250])
        await filled(store, 1)
        assert [event.position for event in await pages.after(250)] == [251]


async def test_a_store_that_goes_away_is_told_to_the_reader() -> None:
    async with Watched() as store:
        await filled(store, 600)
        pages = PageReader(store, asyncio.create_task)
        page = await pages.after(0)
        store.away = True
        with pytest.raises(StoreUnavailable):
            await last_page(pages, page[-1].position)
        store.away = False
        assert await pages.after(0)
        store.away = True
        await asyncio.sleep(0)
        pages.close()
        pages.close()
