"""What matches a filter is read from the tail or by queries, up to where the log ends."""

from collections.abc import Sequence
from typing import Any

import pytest

from chekov import EventFilter, MemoryStore, NewEvent
from chekov.store import tail
from chekov.store.filtered_log import FilteredLog, FilteredPages
from chekov.store.port import RecordedEvent
from chekov.uuid7 import uuid7

SMALL = EventFilter(types=frozenset({"small"}))


class Meddled(MemoryStore):
    """Erases a stream, or appends an event, after a page was read and before it is returned."""

    erases = ""
    appends = 0

    async def read_page(self, **options: Any) -> Sequence[RecordedEvent]:  # type: ignore[override]
        page = await super().read_page(**options)
        if self.erases:
            stream, self.erases = self.erases, ""
            await self.streams.delete(stream, erase=True)
        while self.appends:
            self.appends -= 1
            await self.append("a-1", [NewEvent(uuid7(), "small", b"{}")])
        return page


async def filled(store: MemoryStore) -> None:
    """Small events at 1, 4, 7 and so on, up to 30."""
    for number in range(30):
        name = "small" if number % 3 == 0 else "large"
        await store.append(f"a-{number % 2}", [NewEvent(uuid7(), name, b"{}")])


async def read(log: FilteredLog, position: int = 0) -> list[int]:
    found: list[int] = []
    while (page := await log.after(position)).through > position:
        found += [event.position for event in page.events]
        position = page.through
    return found


async def test_nothing_is_missed_on_the_way_from_queries_to_the_tail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tail, "REACH", 5)
    async with Meddled() as store:
        await filled(store)
        store.tail.drop()
        store.appends = 2
        assert await read(FilteredLog(store, SMALL)) == [*range(1, 30, 3), 31, 32]


async def test_what_was_erased_while_it_was_read_is_not_given() -> None:
    async with Meddled() as store:
        await filled(store)
        store.erases = "a-0"
        found = await FilteredPages(store, SMALL).after(0, 30)
        assert {event.stream for event in found.events} == {"a-1"}
        assert found.through == 30


async def test_no_page_goes_beyond_where_it_is_to_end() -> None:
    async with Meddled() as store:
        await filled(store)
        found = await FilteredPages(store, SMALL).after(2, 11)
        assert [event.position for event in found.events] == [4, 7, 10]
        assert found.through == 11
