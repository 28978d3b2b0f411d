"""A subscription that wants little of the log reads that little, and misses nothing of it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chekov import (
    CommandEnvelope,
    Context,
    Domain,
    EventFilter,
    EventHandler,
    MemoryStore,
    definition_of,
    handle,
)
from chekov.domain.messages import REVISION_MARK
from chekov.engine.processes.scheduled_commands import ScheduledCommands
from chekov.engine.subscriptions.invocation import Subject
from chekov.engine.subscriptions.kinds import kind_of
from chekov.engine.subscriptions.sparse_reader import SparseReader
from chekov.serialization.codec import Codec
from chekov.store.port import Layout, NewEvent, RecordedEvent, SubscriptionKey
from chekov.uuid7 import uuid7
from tests.unit.engine.counter_domain import Added, Counter, Noted, status
from tests.unit.engine.running import running
from tests.waiting import until

FAR = 30_000


class CountingStore(MemoryStore):
    """Counts the rows that were read, and lets something happen before a page is read."""

    rows = 0
    until_page = -1
    lost_from = 2**63

    def read_page(self, **options: Any) -> Any:
        return self._counted(super().read_page(**options))

    async def _counted(self, reading: Any) -> Sequence[RecordedEvent]:
        if self.until_page == 0:
            await add(self, 1, stream="counter-late")
        self.until_page -= 1
        read: Sequence[RecordedEvent] = await reading
        page = [event for event in read if event.position < self.lost_from]
        self.rows += len(page)
        return page


class Rare(EventHandler, name="rare"):
    def __init__(self) -> None:
        self.positions: list[int] = []

    @handle
    async def added(self, event: Added, context: Context) -> None:
        self.positions.append(context.position)


class RareOfOne(Rare, name="rare", filter=EventFilter(stream="counter-0")):
    pass


class RareOfCategory(Rare, name="rare", filter=EventFilter(category="shop")):
    pass


class Usual(EventHandler, name="usual"):
    def __init__(self) -> None:
        self.positions: list[int] = []

    @handle
    async def any(self, event: Added | Noted, context: Context) -> None:
        self.positions.append(context.position)


async def add(store: MemoryStore, count: int, *, stream: str, type_: str = "Added") -> None:
    data = b'{"amount": 1}' if type_ == "Added" else b'{"text": ""}'
    await store.append(stream, [NewEvent(uuid7(), type_, data) for _ in range(count)])


@asynccontextmanager
async def mixed() -> AsyncGenerator[CountingStore]:
    """A long log, in which every thousandth event is added, to one of three streams."""
    async with CountingStore() as store:
        for number in range(FAR // 1000):
            await add(store, 999, stream=f"counter-{number % 3}", type_="Noted")
            await add(store, 1, stream=f"{'shop' if number == 7 else 'counter'}-{number % 3}")
        yield store


async def test_what_is_wanted_is_read_and_hardly_more() -> None:
    async with mixed() as store:
        rare = Rare()
        async with running(store, rare) as runtime:
            await runtime.wait(FAR, timeout=240)
            assert status(runtime, "rare").position == FAR
            assert store.rows < FAR // 10
            await add(store, 1, stream="counter-1")
            await until(lambda: len(rare.positions) == FAR // 1000 + 1, 60)
    assert rare.positions == [*range(1000, FAR + 1, 1000), FAR + 1]


@pytest.mark.parametrize(
    ("handler", "wanted"),
    [(RareOfOne(), [*range(1000, FAR, 3000)]), (RareOfCategory(), [8000])],
)
async def test_a_filter_narrows_what_is_read(handler: Rare, wanted: list[int]) -> None:
    async with mixed() as store:
        async with running(store, handler) as runtime:
            await runtime.wait(FAR, timeout=240)
        assert store.rows < FAR // 2
    assert handler.positions == wanted


async def test_what_is_stored_meanwhile_is_not_missed() -> None:
    for page in range(2):  # the filtered one, and the look at its end
        async with mixed() as store:
            rare = Rare()
            store.until_page = page
            async with running(store, rare) as runtime:
                await until(lambda store=store: store.until_page < 0, 60)
                await runtime.wait(FAR + 1, timeout=240)
        assert rare.positions == [*range(1000, FAR + 1, 1000), FAR + 1]


async def sends_nothing(envelope: CommandEnvelope[Any]) -> None:
    raise AssertionError(f"these handlers send no commands, not {envelope.command}")


def reader_of(store: MemoryStore, handler: EventHandler) -> SparseReader:
    domain = Domain("counting", aggregates=[Counter], handlers=[handler])
    definition = definition_of(handler)
    key = SubscriptionKey("counting", definition.name)
    codec = Codec(domain)
    scheduling = ScheduledCommands(domain, store.schedules, codec, sends_nothing, max_recurring=1)
    layout = Layout(key, 1)
    subject = Subject(
        key, handler, definition, layout, store, codec, domain, sends_nothing, scheduling
    )
    return SparseReader(store, kind_of(handler)(subject))


async def test_a_revision_that_this_code_does_not_know_is_not_skipped() -> None:
    async with mixed() as store:
        await store.append(
            "counter-9", [NewEvent(uuid7(), f"Added{REVISION_MARK}7", b'{"amount": 1}')]
        )
        await add(store, FAR, stream="counter-2", type_="Noted")
        reader = reader_of(store, Rare())
        found: list[int] = []
        position = 0
        while (page := await reader.after(position)) is not None:
            found += [event.position for event in page.events]
            position = page.through
        assert found == [*range(1000, FAR + 1, 1000), FAR + 1]
        assert position == 2 * FAR + 1


async def test_a_log_that_became_shorter_is_not_passed() -> None:
    async with mixed() as store:
        reader = reader_of(store, Rare())
        store.lost_from = 5_000
        assert await reader.after(0) is None


async def test_who_wants_all_of_the_log_reads_its_pages() -> None:
    async with mixed() as store:
        usual = Usual()
        async with running(store, usual) as runtime:
            await runtime.wait(FAR, timeout=240)
        assert store.rows < FAR * 1.1
    assert usual.positions == list(range(1, FAR + 1))


async def test_who_wants_much_of_the_log_goes_over_to_its_pages() -> None:
    async with CountingStore() as store:
        for _ in range(60):
            await add(store, 250, stream="counter-1", type_="Noted")
            await add(store, 250, stream="counter-1")
        rare = Rare()
        async with running(store, rare) as runtime:
            await runtime.wait(FAR, timeout=240)
        assert len(rare.positions) == FAR // 2
        assert rare.positions == sorted(set(rare.positions))
        assert FAR // 2 < store.rows < FAR * 1.1
