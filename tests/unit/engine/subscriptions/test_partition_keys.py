"""A handler's own keys decide on partitions, on the order of events, and on what waits."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from chekov import Context, Domain, EventHandler, MemoryStore, Retry, Runtime, handle, partition
from chekov.domain.failure import OnFailure
from chekov.domain.handler_definition import HandlerSettings
from chekov.engine.subscriptions.partitions import partition_of
from tests.unit.engine.counter_domain import Add, Added, Counter
from tests.waiting import passed, until

COUNTERS = tuple("abcde")
ONCE = Retry(attempts=1)
LONG = 3600.0


class Heard:
    """What was heard by key, and the keys whose events fail or hang."""

    def __init__(self) -> None:
        self.amounts: dict[str, list[int]] = {}
        self.failing: set[str] = set()
        self.hanging: set[str] = set()
        self.number = 0

    async def hear(self, key: str, amount: int) -> None:
        if key in self.hanging:
            await asyncio.Event().wait()
        if key in self.failing:
            raise ValueError(key)
        self.amounts.setdefault(key, []).append(amount)

    async def add(self, runtime: Runtime, times: int = 15) -> None:
        for _ in range(times):
            self.number += 1
            counter = COUNTERS[self.number % len(COUNTERS)]
            await runtime.dispatch(Add(counter=counter, amount=self.number))

    def check(self, keys: int = 3) -> None:
        every = range(1, self.number + 1)
        assert self.amounts == {
            f"k{key}": [number for number in every if number % keys == key] for key in range(keys)
        }


def by_thirds(heard: Heard) -> EventHandler:
    """A handler whose keys are the remainders of amounts, whichever counter they are added to."""

    class Hearing(EventHandler, name="heard", retry=ONCE, consistency="strong"):
        @handle
        async def added(self, event: Added, context: Context) -> None:
            await heard.hear(f"k{event.amount % 3}", event.amount)

        @partition
        def third(self, event: Added) -> str:
            return f"k{event.amount % 3}"

    return Hearing()


def by_streams(heard: Heard, on_failure: OnFailure = "park") -> EventHandler:
    """The handler of another release, whose streams are the keys."""

    class Hearing(
        EventHandler, name="heard", retry=ONCE, consistency="strong", on_failure=on_failure
    ):
        @handle
        async def added(self, event: Added, context: Context) -> None:
            await heard.hear(f"k{event.amount % 3}", event.amount)

    return Hearing()


def keyed(handler: EventHandler, store: MemoryStore, partitions: int, node: str = "n") -> Runtime:
    return Runtime(
        Domain("counting", aggregates=[Counter], handlers=[handler]),
        store=store,
        lease=LONG,
        node=node,
        handlers={"heard": HandlerSettings(partitions=partitions)},
    )


def owned(runtime: Runtime) -> int:
    return sum(item.owned for item in runtime.subscriptions.values())


async def settled(runtime: Runtime) -> None:
    await runtime.wait(await runtime.store.head(), timeout=240)


def partition_keys(runtime: Runtime) -> Sequence[int]:
    return sorted(key.partition for key in runtime.subscriptions)


@pytest.mark.parametrize("partitions", [1, 4])
async def test_events_of_one_key_are_handled_in_order_whichever_their_streams(
    partitions: int,
) -> None:
    store, heard = MemoryStore(), Heard()
    async with keyed(by_thirds(heard), store, partitions) as runtime:
        await heard.add(runtime)
        await settled(runtime)
        assert partition_keys(runtime) == list(range(partitions))
    heard.check()


async def test_one_that_waits_holds_up_the_keys_of_its_partition_only() -> None:
    store, heard = MemoryStore(), Heard()
    own = partition_of("k0", 4)
    held_up = {key for key in ("k0", "k1", "k2") if partition_of(key, 4) == own}
    assert len(held_up) < 3
    heard.hanging.add("k0")
    with suppress(asyncio.CancelledError):
        async with keyed(by_thirds(heard), store, 4) as runtime:
            await heard.add(runtime)
            await until(
                lambda: all(
                    item.position >= heard.number
                    for key, item in runtime.subscriptions.items()
                    if key.partition != own
                )
            )
            gone_on = {key for key, amounts in heard.amounts.items() if max(amounts) > 3}
            assert gone_on == {"k0", "k1", "k2"} - held_up
            raise asyncio.CancelledError  # it would wait for the handler


async def test_a_parked_event_keeps_back_its_key_and_nothing_else() -> None:
    store, heard = MemoryStore(), Heard()
    heard.failing.add("k1")
    async with keyed(by_thirds(heard), store, 4) as runtime:
        await heard.add(runtime)
        await passed(runtime, heard.number)
        parked = await runtime.parked("heard")
        assert {item.key for item in parked} == {"k1"}
        assert [item.position for item in parked] == [1, 4, 7, 10, 13]
        heard.failing.clear()
        assert list(await runtime.retry("heard", key="k1")) == [1]
        await heard.add(runtime)

        async def emptied() -> bool:
            return not await runtime.parked("heard")

        await until(emptied)
        await settled(runtime)
    heard.check()


def returning(function: Callable[[Added], Any], heard: Heard) -> EventHandler:
    class Hearing(EventHandler, name="heard", retry=ONCE, consistency="strong"):
        @handle
        async def added(self, event: Added, context: Context) -> None:
            await heard.hear("all", event.amount)

        @partition
        def key(self, event: Added) -> str:
            return str(function(event)) if event.amount % 2 else function(event)

    return Hearing()


def none(event: Added) -> None:
    del event


def several(event: Added) -> list[int]:
    return [event.amount]


def too_long(event: Added) -> str:
    return "x" * (1001 - event.amount % 2)


def raising(event: Added) -> str:
    if event.amount % 2:
        return "odd"
    raise LookupError(event.amount)


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (none, "key returned None of type NoneType: return the key of the event"),
        (several, "of type list: return the key of the event, a str, an int"),
        (too_long, "a key has 1 to 1000 bytes of UTF-8"),
        (raising, "LookupError: 2"),
    ],
    ids=["None", "list", "long", "raises"],
)
async def test_an_event_without_a_key_is_a_failure_of_the_handler(
    function: Callable[[Added], Any], error: str
) -> None:
    store, heard = MemoryStore(), Heard()
    async with keyed(returning(function, heard), store, 4) as runtime:
        await heard.add(runtime, 9)
        await passed(runtime, 9)
        parked = await runtime.parked("heard")
        assert sorted(heard.amounts["all"]) == [1, 3, 5, 7, 9]
        assert [item.position for item in parked] == [2, 4, 6, 8]
        assert all(item.key == item.stream for item in parked)
        assert error in parked[0].error
        await runtime.retry("heard")

        async def failed_again() -> bool:
            return [item.attempts for item in await runtime.parked("heard")] == [2, 2, 2, 2]

        await until(failed_again)


async def test_the_context_may_say_the_key() -> None:
    store = MemoryStore()
    seen: dict[str, list[int]] = {}

    class Hearing(EventHandler, name="heard", partitions=3):
        @handle
        async def added(self, event: Added, context: Context) -> None:
            seen.setdefault(context.metadata["tenant"], []).append(event.amount)

        @partition
        def tenant(self, event: Added, context: Context) -> int:
            return int(context.metadata["tenant"])

    domain = Domain("counting", aggregates=[Counter], handlers=[Hearing()])
    async with Runtime(domain, store=store) as runtime:
        for number in range(12):
            metadata = {"tenant": str(number % 4)}
            await runtime.dispatch(Add(counter="a", amount=number + 1), metadata=metadata)
        await settled(runtime)
    assert seen == {str(key): [key + 1, key + 5, key + 9] for key in range(4)}


async def test_who_waits_for_a_handler_with_keys_waits_for_all_of_its_partitions() -> None:
    store, heard = MemoryStore(), Heard()
    domain = Domain("counting", aggregates=[Counter], handlers=[by_streams(heard)])
    async with (
        keyed(by_thirds(heard), store, 4) as runtime,
        # A process of the former release, which knows no keys.
        Runtime(domain, store=store, subscriptions=False) as former,
    ):
        for number in range(1, 13):
            for process in (runtime, former):
                heard.number += 1
                counter = COUNTERS[number % len(COUNTERS)]
                await process.dispatch(
                    Add(counter=counter, amount=heard.number),
                    consistency="strong",
                    consistency_timeout=240,
                )
                assert heard.amounts[f"k{heard.number % 3}"][-1] == heard.number
    heard.check()


async def test_another_number_of_partitions_loses_and_repeats_nothing() -> None:
    store, heard = MemoryStore(), Heard()
    for partitions in (4, 2, 7, 1, 3):
        async with keyed(by_thirds(heard), store, partitions) as runtime:
            await until(lambda n=partitions: owned(runtime) == n)
            await heard.add(runtime)
            await settled(runtime)
            await heard.add(runtime)
    async with keyed(by_thirds(heard), store, 3) as runtime:
        await settled(runtime)
    heard.check()


@pytest.mark.parametrize("most", [16_384, 3])
async def test_a_method_is_called_once_for_all_partitions_of_a_process(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And again for an event that they come to at different times."""
    monkeypatch.setattr("chekov.engine.subscriptions.partition_keys._MOST_RECENT", most)
    asked: list[int] = []

    class Hearing(EventHandler, name="heard", retry=ONCE):
        @handle
        async def added(self, event: Added, context: Context) -> None: ...

        @partition
        def third(self, event: Added) -> str:
            asked.append(event.amount)
            if event.amount == 2:
                raise ValueError("it has no key")
            return f"k{event.amount % 3}"

    store, heard = MemoryStore(), Heard()
    async with keyed(Hearing(), store, 4) as runtime:
        await heard.add(runtime, 8)
        await passed(runtime, 8)
        [parked] = await runtime.parked("heard")
        assert (parked.position, parked.key) == (2, "counter-c")
        assert parked.error == "ValueError: it has no key"
    if most > 8:
        assert sorted(asked) == [1, 2, 2, 3, 4, 5, 6, 7, 8]  # once more to say what is wrong
