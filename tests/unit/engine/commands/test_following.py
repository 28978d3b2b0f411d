"""Cached aggregates follow the log: fresh without reading, and never another stream's state."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from chekov import Domain, MemoryStore, Runtime
from chekov.engine.commands.live_aggregate import LiveAggregate
from chekov.errors import StoreUnavailable, StreamDeleted
from chekov.store.port import NewEvent, RecordedEvent
from tests.unit.engine.commands.elsewhere import Elsewhere
from tests.unit.engine.counter_domain import Add, AddAtMost, Counter, Note, TooMuch
from tests.waiting import until

ADD = Add(counter="a", amount=1)
DOMAIN = Domain("counting", aggregates=[Counter])


class CountedStore(Elsewhere):
    """Counts what is read of single streams."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.reads = 0

    async def read_stream(self, stream: str, **options: Any) -> Sequence[RecordedEvent]:
        self.reads += 1
        return await super().read_stream(stream, **options)


def over(store: MemoryStore | Elsewhere) -> Runtime:
    return Runtime(DOMAIN, store=store, subscriptions=False)


def live(runtime: Runtime, stream: str = "counter-a") -> LiveAggregate:
    instance = runtime.engine.dispatcher.aggregates.cached(stream)
    assert instance is not None
    return instance


async def follows(runtime: Runtime, version: int) -> None:
    await until(lambda: live(runtime).version == version)


async def test_the_next_command_meets_no_conflict_and_reads_nothing() -> None:
    async with MemoryStore() as store, over(store) as here:
        there_store = CountedStore(store)
        async with over(there_store) as there:
            await there.dispatch(ADD)
            for _ in range(3):
                await here.dispatch(ADD)
            await follows(there, 4)
            reads = there_store.reads
            assert (await there.dispatch(ADD)).version == 5
            assert live(there).state == Counter(total=5)
            assert there_store.reads == reads


async def test_what_a_program_appends_is_followed_too() -> None:
    async with MemoryStore() as store, over(store) as runtime:
        await runtime.dispatch(ADD)
        await store.append("counter-a", [NewEvent(uuid4(), "Added", b'{"amount": 5}')])
        await follows(runtime, 2)
        assert live(runtime).state == Counter(total=6)


async def test_events_of_streams_that_are_not_cached_are_not_decoded() -> None:
    async with MemoryStore() as store, over(Elsewhere(store)) as runtime:
        await runtime.dispatch(ADD)
        await store.append("other-1", [NewEvent(uuid4(), "Unknown", b"no JSON")])
        await store.append("counter-a", [NewEvent(uuid4(), "Added", b'{"amount": 5}')])
        await follows(runtime, 2)


async def test_while_a_command_is_at_work_events_wait_for_its_end() -> None:
    async with MemoryStore() as store, over(Elsewhere(store)) as runtime:
        await runtime.dispatch(ADD)
        instance = live(runtime)
        await instance.acquire()
        for amount in (2, 3):
            data = b'{"amount": %d}' % amount
            await store.append("counter-a", [NewEvent(uuid4(), "Added", data)])
        await store.append("counter-b", [NewEvent(uuid4(), "Added", b'{"amount": 5}')])
        await runtime.dispatch(Add(counter="b", amount=1))
        await until(lambda: instance.missed == 2)
        assert (instance.version, instance.state) == (1, Counter(total=1))
        instance.release()
        assert (instance.version, instance.state) == (3, Counter(total=6))


async def test_an_instance_that_is_at_work_for_long_is_read_anew() -> None:
    async with MemoryStore() as store, over(Elsewhere(store)) as runtime:
        await runtime.dispatch(ADD)
        instance = live(runtime)
        await instance.acquire()
        for _ in range(150):
            await store.append("counter-a", [NewEvent(uuid4(), "Added", b'{"amount": 1}')])
        await until(lambda: instance.stale)
        instance.release()
        assert instance.state is None
        assert (await runtime.dispatch(ADD)).version == 152
        assert live(runtime).state == Counter(total=152)


async def test_a_deleted_stream_is_dropped() -> None:
    async with MemoryStore() as store, over(Elsewhere(store)) as runtime:
        await runtime.dispatch(ADD)
        await store.streams.delete("counter-a")
        await until(lambda: live(runtime).state is None)
        with pytest.raises(StreamDeleted):
            await runtime.dispatch(ADD)


async def test_an_erased_stream_that_began_anew_is_not_mistaken_for_the_former() -> None:
    async with MemoryStore() as store, over(store) as here, over(Elsewhere(store)) as there:
        for _ in range(2):
            await there.dispatch(ADD)
        await here.delete(Counter, "a", erase=True)
        for _ in range(2):
            await here.dispatch(Add(counter="a", amount=10))
        await until(lambda: live(there).state is None)
        await here.dispatch(Add(counter="a", amount=10))
        assert (await there.load(Counter, "a")).state == Counter(total=30)


async def test_a_stream_that_was_erased_begins_anew_with_the_next_command() -> None:
    async with MemoryStore() as store, over(Elsewhere(store)) as runtime:
        for _ in range(3):
            await runtime.dispatch(ADD)
        await store.streams.delete("counter-a", erase=True)
        assert (await runtime.dispatch(ADD)).version == 1
        assert live(runtime).state == Counter(total=1)


async def test_who_is_too_far_behind_reads_the_stream_and_follows_again() -> None:
    async with MemoryStore() as store, over(elsewhere := Elsewhere(store)) as runtime:
        await runtime.dispatch(ADD)
        elsewhere.tail.too_far = True
        await store.append("counter-a", [NewEvent(uuid4(), "Added", b'{"amount": 5}')])
        await until(lambda: not elsewhere.tail.too_far)
        with pytest.raises(TooMuch):
            await runtime.dispatch(AddAtMost(counter="a", amount=1, limit=6))
        await store.append("counter-a", [NewEvent(uuid4(), "Added", b'{"amount": 5}')])
        await follows(runtime, 3)


async def test_the_log_is_followed_again_once_the_store_is_back() -> None:
    async with MemoryStore() as store, over(elsewhere := Elsewhere(store)) as runtime:
        await runtime.dispatch(ADD)
        elsewhere.tail.errors += [StoreUnavailable("away", stored=False)] * 2
        await store.append("counter-a", [NewEvent(uuid4(), "Added", b'{"amount": 5}')])
        await follows(runtime, 2)
        assert elsewhere.tail.errors == []


async def test_after_a_restore_what_was_cached_is_not_followed() -> None:
    async with MemoryStore() as store, over(elsewhere := Elsewhere(store)) as runtime:
        await runtime.dispatch(ADD)
        instance = live(runtime)
        elsewhere.tail.reset(await store.head())
        await until(lambda: instance.state is None)
        await store.append("counter-a", [NewEvent(uuid4(), "Added", b'{"amount": 5}')])
        assert (await runtime.dispatch(ADD)).version == 3
        await store.append("counter-a", [NewEvent(uuid4(), "Added", b'{"amount": 5}')])
        await follows(runtime, 4)


@pytest.mark.parametrize(
    ("kind", "data"), [("Added", b'{"amount": -1}'), ("Newer", b"{}"), ("Added", b"{}")]
)
async def test_what_cannot_be_applied_is_left_to_the_next_command(kind: str, data: bytes) -> None:
    async with MemoryStore() as store, over(Elsewhere(store)) as runtime:
        await runtime.dispatch(ADD)
        await store.append("counter-a", [NewEvent(uuid4(), kind, data)])
        await until(lambda: live(runtime).state is None)
        await runtime.dispatch(Add(counter="b", amount=1))
        await store.append("counter-b", [NewEvent(uuid4(), "Added", b'{"amount": 5}')])
        await until(lambda: live(runtime, "counter-b").version == 2)


async def test_commands_of_two_processes_lose_nothing() -> None:
    async with MemoryStore() as store, over(store) as here, over(Elsewhere(store)) as there:

        async def work(runtime: Runtime, number: int) -> None:
            for turn in range(20):
                name = "ab"[(turn + number) % 2]
                await runtime.dispatch(Add(counter=name, amount=1))
                await runtime.dispatch(Note(counter=name, text="x"))

        runtimes = (here, there) * 3
        await asyncio.gather(*(work(runtime, n) for n, runtime in enumerate(runtimes)))
        for runtime in (here, there):
            for name in "ab":
                loaded = await runtime.load(Counter, name)
                assert loaded.state == Counter(total=60, notes=60)
