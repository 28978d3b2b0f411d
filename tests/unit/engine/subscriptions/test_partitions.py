"""A partitioned subscription handles each stream in one partition, and partitions on their own."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from chekov import Context, EventHandler, MemoryStore, Projection, Runtime, handle
from chekov.engine.subscriptions.partitions import partition_of
from tests.unit.engine.counter_domain import Add, Added
from tests.unit.engine.running import running
from tests.waiting import until

LONG = 3600.0
COUNTERS = [str(number) for number in range(12)]


class Heard(EventHandler, name="heard", partitions=4, consistency="strong"):
    """What was heard of each stream, and a stream whose events wait."""

    def __init__(self) -> None:
        self.amounts: dict[str, list[int]] = {}
        self.slow = ""
        self.gate = asyncio.Event()

    @handle
    async def added(self, event: Added, context: Context) -> None:
        if context.stream == self.slow:
            await self.gate.wait()
        self.amounts.setdefault(context.stream, []).append(event.amount)


def owned(runtime: Runtime) -> list[int]:
    return sorted(key.partition for key, item in runtime.subscriptions.items() if item.owned)


async def add(runtime: Runtime, amount: int) -> None:
    for counter in COUNTERS:
        await runtime.dispatch(Add(counter=counter, amount=amount))
    await runtime.wait(await runtime.store.head())


def test_a_stream_has_the_same_partition_for_ever() -> None:
    assert [partition_of(f"account-{number}", 4) for number in range(8)] == [
        2, 0, 2, 0, 3, 1, 3, 1,
    ]  # fmt: skip
    assert partition_of("\u65e5\u672c", 1000) == 756
    assert partition_of("anything", 1) == 0


@given(st.integers(1, 50))
def test_streams_are_spread_over_all_partitions(partitions: int) -> None:
    counts = Counter(partition_of(f"account-{number}", partitions) for number in range(5_000))
    assert sorted(counts) == list(range(partitions))
    assert max(counts.values()) < 2 * 5_000 / partitions


async def test_each_event_is_heard_once_and_in_the_order_of_its_stream() -> None:
    heard = Heard()
    async with running(MemoryStore(), heard) as runtime:
        for amount in range(1, 6):
            await add(runtime, amount)
        assert owned(runtime) == [0, 1, 2, 3]
    assert heard.amounts == {f"counter-{name}": [1, 2, 3, 4, 5] for name in COUNTERS}


async def test_one_that_waits_holds_up_its_own_partition_only() -> None:
    heard = Heard()
    async with running(MemoryStore(), heard) as runtime:
        heard.slow = "counter-0"
        await runtime.dispatch(Add(counter="0", amount=1))
        others = [
            name
            for name in COUNTERS
            if partition_of(f"counter-{name}", 4) != partition_of("counter-0", 4)
        ]
        assert others
        for name in others:
            await runtime.dispatch(
                Add(counter=name, amount=1), consistency="strong", consistency_timeout=240
            )
        assert sorted(heard.amounts) == sorted(f"counter-{name}" for name in others)
        heard.gate.set()
        await runtime.wait(await runtime.store.head())
    assert heard.amounts["counter-0"] == [1]


async def test_a_handler_that_waits_does_not_wait_for_other_partitions_of_its_own() -> None:
    class Echo(EventHandler, name="echo", partitions=4, consistency="strong"):
        @handle
        async def added(self, event: Added, context: Context) -> None:
            if event.amount == 1:
                for counter in COUNTERS:
                    await runtime.dispatch(Add(counter=counter, amount=2), consistency="strong")

    async with running(MemoryStore(), Echo()) as runtime:
        async with asyncio.TaskGroup() as group:
            for counter in COUNTERS:
                group.create_task(
                    runtime.dispatch(Add(counter=counter, amount=1), consistency="strong")
                )
        assert await runtime.store.head() == len(COUNTERS) * (1 + len(COUNTERS))


async def test_partitions_are_shared_by_processes_as_they_join_and_leave() -> None:
    store, one, two = MemoryStore(), Heard(), Heard()
    async with running(store, one, lease=LONG, node="one") as first:
        await add(first, 1)
        async with running(store, two, lease=LONG, node="two") as second:
            await until(lambda: (len(owned(first)), len(owned(second))) == (2, 2))
            await add(second, 2)
        await until(lambda: owned(first) == [0, 1, 2, 3])
        await add(first, 3)
    assert two.amounts
    assert sorted(one.amounts) == sorted(f"counter-{name}" for name in COUNTERS)
    for stream, amounts in one.amounts.items():
        assert sorted([*amounts, *two.amounts.get(stream, [])]) == [1, 2, 3]
        assert amounts == sorted(amounts)


def faults(kind: type[EventHandler]) -> Sequence[str]:
    return kind.__chekov__.faults


def test_a_number_that_cannot_be_is_a_fault_of_the_class() -> None:
    class Nothing(EventHandler, name="none", partitions=0):
        @handle
        async def added(self, event: Added, context: Context) -> None:
            pass

    class Tables(Projection, name="tables", partitions=2):
        pass

    assert "partitions 0 must be 1 to 1000" in faults(Nothing)[0]
    assert "only event handlers are partitioned" in faults(Tables)[0]
