"""The number of partitions changes without loss and without repetition."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from chekov import Context, Domain, EventHandler, MemoryStore, Retry, Runtime, handle
from chekov.engine.subscriptions.layouts import HandledBefore
from chekov.engine.subscriptions.partitions import partition_of
from chekov.store.port import Layout, SubscriptionKey
from tests.unit.engine.counter_domain import Add, Added, Counter
from tests.unit.engine.running import running
from tests.waiting import passed, until

LONG = 3600.0
COUNTERS = tuple(str(number) for number in range(12))
KEY = SubscriptionKey("counting", "heard")


class Heard:
    """What all processes heard of each stream, and the counters whose events fail or hang."""

    def __init__(self) -> None:
        self.amounts: dict[str, list[int]] = {}
        self.failing: set[str] = set()
        self.hanging: set[str] = set()
        self.added = 0

    def by(self, partitions: int) -> EventHandler:
        heard = self
        once = Retry(attempts=1)

        class Hearing(
            EventHandler, name="heard", partitions=partitions, retry=once, consistency="strong"
        ):
            @handle
            async def added(self, event: Added, context: Context) -> None:
                counter = context.stream.removeprefix("counter-")
                if counter in heard.hanging:
                    await asyncio.Event().wait()
                if counter in heard.failing:
                    raise ValueError(context.stream)
                heard.amounts.setdefault(context.stream, []).append(event.amount)

        return Hearing()

    async def add(self, runtime: Runtime, counters: Sequence[str] = COUNTERS) -> None:
        self.added += 1
        for counter in counters:
            await runtime.dispatch(Add(counter=counter, amount=self.added))

    async def settle(self, runtime: Runtime) -> None:
        await runtime.wait(await runtime.store.head(), timeout=240)

    async def settle_all(self, runtime: Runtime) -> None:
        """Wait until the whole log is handled or parked."""
        head = await runtime.store.head()
        await until(lambda: all(item.position >= head for item in runtime.subscriptions.values()))

    def check(self) -> None:
        expected = list(range(1, self.added + 1))
        assert self.amounts == {f"counter-{name}": expected for name in COUNTERS}


def owned(runtime: Runtime) -> list[int]:
    return sorted(key.partition for key, item in runtime.subscriptions.items() if item.owned)


async def test_another_number_takes_over_where_each_partition_was() -> None:
    store, heard = MemoryStore(), Heard()
    for partitions in (4, 2, 7, 1, 3):
        async with running(store, heard.by(partitions), lease=LONG) as runtime:
            await until(lambda n=partitions: owned(runtime) == list(range(n)))
            await heard.add(runtime)
            await heard.settle(runtime)
            await heard.add(runtime)
    async with running(store, heard.by(3), lease=LONG) as runtime:
        await heard.settle(runtime)
    heard.check()


async def test_a_partition_that_was_far_behind_repeats_nothing_of_the_others() -> None:
    store, heard = MemoryStore(), Heard()
    behind = [name for name in COUNTERS if partition_of(f"counter-{name}", 4) == 1]
    assert behind
    heard.hanging.update(behind)
    head = len(COUNTERS)
    with suppress(asyncio.CancelledError):
        async with running(store, heard.by(4), lease=LONG) as runtime:
            await heard.add(runtime)

            async def others_are_saved() -> bool:
                rows = await store.subscriptions.list("counting")
                return all(row.position == head or row.key.partition == 1 for row in rows)

            await until(others_are_saved)
            raise asyncio.CancelledError  # it is killed
    heard.hanging.clear()
    async with running(store, heard.by(3), lease=LONG) as runtime:
        await until(lambda: owned(runtime) == [0, 1, 2])
        [layout] = await store.layouts.list("counting")
        assert min(layout.former[0]) < head
        await heard.add(runtime)
        await heard.settle(runtime)
        assert owned(runtime) == [0, 1, 2]
    heard.check()


async def test_it_changes_once_the_last_process_with_the_former_number_has_left() -> None:
    store, heard = MemoryStore(), Heard()
    async with running(store, heard.by(2), lease=LONG, node="new") as new:
        async with running(store, heard.by(4), lease=LONG, node="old") as old:
            # Each has a number of its own, so neither may change what the other wants.
            await until(lambda: sorted([*owned(new), *owned(old)]) == [0, 1])
            await heard.add(old)
            async with running(store, heard.by(4), lease=LONG, node="older") as older:
                await until(lambda: all(len(owned(item)) < 2 for item in (new, old, older)))
                await heard.add(older)
                await heard.settle(older)
        async with running(store, heard.by(4), lease=LONG, node="next") as following:
            await heard.add(following)
            await until(lambda: len(owned(new)) == len(owned(following)) == 1)
            await heard.settle(following)
    async with running(store, heard.by(4), lease=LONG, node="last") as last:
        await until(lambda: owned(last) == [0, 1, 2, 3])
        await heard.add(last)
        await heard.settle(last)
    heard.check()


async def test_two_processes_that_agree_change_it_while_both_run() -> None:
    store, heard = MemoryStore(), Heard()
    async with running(store, heard.by(2), lease=LONG, node="old") as old:
        await heard.add(old)
        async with (
            running(store, heard.by(5), lease=LONG, node="one") as one,
            running(store, heard.by(5), lease=LONG, node="two") as two,
        ):
            await heard.add(one)
            await old.drain()
            await until(lambda: sorted([*owned(one), *owned(two)]) == [0, 1, 2, 3, 4])
            await heard.add(two)
            await heard.settle(one)
            await heard.settle(two)
            assert {len(owned(one)), len(owned(two))} == {2, 3}
    heard.check()


async def test_parked_keys_move_to_their_new_partition_and_stay_in_order() -> None:
    store, heard = MemoryStore(), Heard()
    heard.failing.update(COUNTERS[:4])
    async with running(store, heard.by(4), lease=LONG) as runtime:
        await heard.add(runtime)
        await heard.settle_all(runtime)
    async with running(store, heard.by(3), lease=LONG) as runtime:
        await heard.add(runtime)
        await heard.settle_all(runtime)

        async def all_parked() -> bool:
            return len(await runtime.parked("heard")) == 8

        await until(all_parked)
        heard.failing.clear()
        await runtime.retry("heard")
        await heard.add(runtime)

        async def emptied() -> bool:
            return not await runtime.parked("heard")

        await until(emptied)
        await heard.settle(runtime)
    heard.check()


async def test_what_is_divided_anew_right_before_it_is_claimed_is_run_as_it_is_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, heard = MemoryStore(), Heard()
    claim = store.subscriptions.claim
    divided = False

    async def claim_too_late(owner: str, keys: Collection[SubscriptionKey], **options: Any) -> Any:
        nonlocal divided
        if not divided:
            divided = True
            [layout] = await store.layouts.list("counting")
            assert await store.layouts.change(layout, 2, partial(partition_of, partitions=2))
        return await claim(owner, keys, **options)

    async with running(store, heard.by(4), lease=LONG) as runtime:
        await runtime.pause("heard")
        await until(lambda: owned(runtime) == [])
        await heard.add(runtime)
        await heard.add(runtime)
    await store.subscriptions.resume("counting", "heard")
    monkeypatch.setattr(store.subscriptions, "claim", claim_too_late)
    async with (
        running(store, heard.by(4), lease=LONG) as runtime,
        running(store, heard.by(2), lease=LONG),
    ):
        await heard.settle(runtime)
    assert divided
    heard.check()


async def test_a_paused_subscription_is_divided_anew_once_it_is_resumed() -> None:
    store, heard = MemoryStore(), Heard()
    async with running(store, heard.by(4), lease=LONG) as runtime:
        await heard.add(runtime)
        await passed(runtime, await store.head())
        await runtime.pause("heard")
    async with running(store, heard.by(2), lease=LONG) as runtime:
        await heard.add(runtime)
        await until(lambda: {item.state for item in runtime.subscriptions.values()} == {"paused"})
        assert [layout.partitions for layout in await store.layouts.list("counting")] == [4]
        await runtime.resume("heard")
        await until(lambda: owned(runtime) == [0, 1])
        await heard.settle(runtime)
    heard.check()


async def test_a_process_without_subscriptions_waits_for_whichever_partitions_there_are() -> None:
    store, heard = MemoryStore(), Heard()
    domain = Domain("counting", aggregates=[Counter], handlers=[heard.by(1)])
    async with Runtime(domain, store=store, subscriptions=False) as commands:
        for partitions in (4, 2, 3):
            async with running(store, heard.by(partitions), lease=LONG):
                heard.added += 1
                for counter in COUNTERS:
                    await commands.dispatch(
                        Add(counter=counter, amount=heard.added),
                        consistency="strong",
                        consistency_timeout=240,
                    )
                    assert heard.amounts[f"counter-{counter}"][-1] == heard.added
    heard.check()


@pytest.mark.parametrize("former", [((5, 9),), ((5, 9), (7, 2, 3)), ()], ids=repr)
async def test_an_event_is_left_if_no_former_partition_has_handled_it(
    former: tuple[tuple[int, ...], ...],
) -> None:
    async with MemoryStore() as store:
        async with running(store, Heard().by(1)) as runtime:
            for number in range(12):
                await runtime.dispatch(Add(counter=str(number % 5), amount=1))
        events = list(await store.read_page(after=0, limit=100))
    before = HandledBefore(Layout(KEY, 2, len(former), former), lambda event: event.stream)
    assert [event.position for event in before.left_of(events)] == [
        event.position
        for event in events
        if not any(
            event.position <= positions[partition_of(event.stream, len(positions))]
            for positions in former
        )
    ]
    assert before.left_of([]) == []
