"""A stream that takes longer to read than a command may take is read in the end."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest

from chekov import Domain, MemoryStore, Runtime, Undecodable
from chekov.engine.commands import rehydration
from chekov.errors import CommandTimeout
from chekov.store.port import NewEvent, RecordedEvent
from chekov.store.port.event_store import Direction
from tests.doubles import OwnEvents
from tests.unit.engine.commands.counting import over
from tests.unit.engine.counter_domain import Add, Counter
from tests.unit.engine.snapshot_counter import KeptCounter, SnapshotLog
from tests.waiting import until

COUNT = 2500
STARTS = [0, 999, 1998]
"""What the pages of a stream of so many events are read after: the last one known is compared."""


class PagedStore(OwnEvents):
    """Gives a page of a stream only when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Semaphore(0)
        self.reads: list[int] = []
        self.given: list[int] = []

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        until: int | datetime | None = None,
    ) -> Sequence[RecordedEvent]:
        self.reads.append(after)
        await self.gate.acquire()
        self.given.append(after)
        return await super().read_stream(
            stream, after=after, limit=limit, direction=direction, until=until
        )

    def let_go(self, pages: int) -> None:
        for _ in range(pages):
            self.gate.release()


async def filled(store: MemoryStore, *names: str, data: bytes = b'{"amount": 1}') -> None:
    async with store:
        for name in names or ("a",):
            events = [NewEvent(uuid4(), "Added", data) for _ in range(COUNT)]
            await store.append(f"counter-{name}", events)


async def timed_out(runtime: Runtime, counter: str = "a") -> None:
    with pytest.raises(CommandTimeout) as caught:
        await runtime.dispatch(Add(counter=counter, amount=1), timeout=0.01)
    assert caught.value.stored is False


async def test_what_a_command_had_no_time_to_read_is_read_for_the_next() -> None:
    store = PagedStore()
    await filled(store)
    async with over(store) as runtime:
        store.let_go(1)
        await timed_out(runtime)
        store.let_go(2)
        await until(lambda: store.given == STARTS)
        done = await runtime.dispatch(Add(counter="a", amount=1))
        assert done.version == COUNT + 1
        assert store.given == STARTS


async def test_a_command_waits_for_the_reading_that_goes_on_within_its_own_time() -> None:
    store = PagedStore()
    await filled(store)
    async with over(store) as runtime, asyncio.TaskGroup() as group:
        for _ in range(4):
            await timed_out(runtime)
        waiting = [
            group.create_task(runtime.dispatch(Add(counter="a", amount=1), timeout=240))
            for _ in range(3)
        ]
        await timed_out(runtime)
        store.let_go(3)
        versions = [(await task).version for task in waiting]
        assert versions == [COUNT + 1, COUNT + 2, COUNT + 3]
        assert store.given == STARTS


async def test_a_sender_that_leaves_interrupts_nothing() -> None:
    store = PagedStore()
    await filled(store)
    async with over(store) as runtime, asyncio.TaskGroup() as group:
        command = group.create_task(runtime.dispatch(Add(counter="a", amount=1)))
        await until(lambda: store.reads)
        command.cancel()
        store.let_go(3)
        await until(lambda: store.given == STARTS)
        assert (await runtime.dispatch(Add(counter="a", amount=1))).version == COUNT + 1


async def test_a_load_that_is_cancelled_is_continued_too() -> None:
    store = PagedStore()
    await filled(store)
    async with over(store) as runtime, asyncio.TaskGroup() as group:
        loading = group.create_task(runtime.load(Counter, "a"))
        await until(lambda: store.reads)
        loading.cancel()
        store.let_go(3)
        await until(lambda: store.given == STARTS)
        store.let_go(1)
        loaded = await runtime.load(Counter, "a")
        assert (loaded.version, loaded.state.total) == (COUNT, COUNT)
        assert store.given == [*STARTS, COUNT - 1]


async def test_snapshots_are_taken_on_the_way() -> None:
    store, log = PagedStore(), SnapshotLog()
    await filled(store)
    domain = Domain("counting", aggregates=[KeptCounter])

    async def kept() -> int:
        found = await store.snapshots.load("counter-a")
        return 0 if found is None else found.version

    async with Runtime(domain, store=store, subscriptions=False, observers=[log]) as runtime:
        store.let_go(1)
        await timed_out(runtime)
        await until(kept)
        assert await kept() == 1000
        store.let_go(1)
        await until(lambda: len(store.reads) == 4)
    assert await kept() == 1999
    assert log.read == []
    async with Runtime(domain, store=store, subscriptions=False, observers=[log]) as runtime:
        store.let_go(1)
        assert (await runtime.load(KeptCounter, "a")).state.total == COUNT
    assert log.read == [COUNT - 1999]
    assert log.outcomes.count("used") == 1


async def test_a_rehydration_is_reported_once_with_all_that_was_read_for_it() -> None:
    store, log = PagedStore(), SnapshotLog()
    await filled(store)
    domain = Domain("counting", aggregates=[Counter])
    async with Runtime(domain, store=store, subscriptions=False, observers=[log]) as runtime:
        store.let_go(1)
        await timed_out(runtime)
        store.let_go(2)
        await until(lambda: log.read)
        await runtime.dispatch(Add(counter="a", amount=1))
    assert log.read == [COUNT]


async def test_draining_ends_it() -> None:
    store = PagedStore()
    await filled(store)
    async with over(store) as runtime:
        await timed_out(runtime)
        await until(lambda: len(store.reads) == 2)
        await runtime.drain(60)
        assert store.given == []


async def test_what_cannot_be_read_is_logged_and_raised_to_the_next_command(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = PagedStore()
    await filled(store, data=b'{"amount": -1}')
    async with over(store) as runtime:
        await timed_out(runtime)
        store.let_go(1)
        await until(lambda: "a rehydration could not be continued" in caplog.messages)
        store.let_go(1)
        with pytest.raises(Undecodable):
            await runtime.dispatch(Add(counter="a", amount=1))


async def test_beyond_eight_instances_the_next_command_reads_on() -> None:
    store = PagedStore()
    names = "abcdefghij"
    await filled(store, *names)
    async with over(store) as runtime:
        for name in names:
            await timed_out(runtime, name)
        await until(lambda: len(store.reads) == len(names) + 8)
        store.let_go(3 * 8)
        await until(lambda: sorted(store.given) == sorted(STARTS * 8))
        for name in names[:8]:
            assert (await runtime.dispatch(Add(counter=name, amount=1))).version == COUNT + 1
        assert len(store.given) == 3 * 8
        store.let_go(3 * 2)
        for name in names[8:]:
            assert (await runtime.dispatch(Add(counter=name, amount=1))).version == COUNT + 1


async def test_other_tasks_have_turns_while_a_long_page_is_applied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = iter(range(1_000_000))
    monkeypatch.setattr(rehydration, "time", SimpleNamespace(perf_counter=lambda: next(seconds)))
    store, turns = MemoryStore(), list[int]()
    await filled(store)

    async def count(runtime: Runtime) -> None:
        while runtime.instances == 0 or not turns or turns[-1] < COUNT:
            await asyncio.sleep(0)
            instance = runtime.engine.dispatcher.aggregates.get_or_create(Counter, "counter-a")
            turns.append(instance.version)

    async with over(store) as runtime, asyncio.TaskGroup() as group:
        group.create_task(count(runtime))
        assert (await runtime.load(Counter, "a")).version == COUNT
    assert set(turns) >= {*range(100, 1000, 100), *range(1100, 2000, 100), 2099, 2199, 2299, 2399}


async def test_a_command_that_is_cancelled_within_a_page_leaves_a_whole_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = iter(range(1_000_000))
    monkeypatch.setattr(rehydration, "time", SimpleNamespace(perf_counter=lambda: next(seconds)))
    store = MemoryStore()
    await filled(store)
    async with over(store) as runtime:
        get = runtime.engine.dispatcher.aggregates.get_or_create
        for reached in range(100, 900, 100):
            async with asyncio.TaskGroup() as group:
                loading = group.create_task(runtime.load(Counter, "a"))
                await until(lambda: get(Counter, "counter-a").version >= reached)  # noqa: B023
                loading.cancel()
        loaded = await runtime.load(Counter, "a")
        assert (loaded.version, loaded.state.total) == (COUNT, COUNT)
