"""A person can pause and resume a subscription, and see what was set aside."""

import pytest

from chekov import Domain, EventHandler, MemoryStore, RewindRefused, Runtime
from chekov.domain.failure import Retry
from chekov.engine.subscriptions.control import SubscriptionControl
from chekov.errors import UnknownSubscription
from tests.unit.engine.counter_domain import Add, Counter, Seen
from tests.waiting import until

QUICK = Retry(attempts=1)


class StoppingSeen(Seen, name="seen", on_failure="stop", consistency="strong"):
    pass


def running(store: MemoryStore, handler: EventHandler) -> Runtime:
    domain = Domain("counting", aggregates=[Counter], handlers=[handler])
    return Runtime(domain, store=store, retry=QUICK)


async def saved(store: MemoryStore, position: int) -> bool:
    return [row.position for row in await store.subscriptions.list("counting")] == [position]


async def states(store: MemoryStore) -> list[str]:
    return [row.state for row in await store.subscriptions.list("counting")]


async def test_a_paused_subscription_handles_nothing_until_it_is_resumed() -> None:
    store = MemoryStore()
    seen = Seen()
    async with running(store, seen) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
        await until(lambda: saved(store, 1))
        await runtime.pause("seen")
        assert await states(store) == ["paused"]
        await until(lambda: [item.state for item in runtime.subscriptions.values()] == ["paused"])
        await runtime.dispatch(Add(counter="a", amount=2))
        assert seen.amounts == [1]
        await runtime.resume("seen")
        await runtime.wait(2)
    assert seen.amounts == [1, 2]


async def test_a_subscription_that_stopped_at_an_event_is_resumed_there() -> None:
    store = MemoryStore()
    seen = StoppingSeen()
    seen.failing = {1: 1}
    async with running(store, seen) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await until(lambda: [item.state for item in runtime.subscriptions.values()] == ["stopped"])
        assert await states(store) == ["stopped"]
        await runtime.resume("seen")
        await runtime.wait(1)
    assert seen.amounts == [1]


async def test_parked_events_are_listed_with_their_errors() -> None:
    store = MemoryStore()
    seen = Seen()
    seen.failing = {1: 1, 3: 1}
    async with running(store, seen) as runtime:
        for counter, amount in (("a", 1), ("b", 2), ("c", 3)):
            await runtime.dispatch(Add(counter=counter, amount=amount))
        await until(lambda: saved(store, 3))
        parked = await runtime.parked("seen")
        assert [(item.position, item.stream, item.attempts) for item in parked] == [
            (1, "counter-a", 1),
            (3, "counter-c", 1),
        ]
        assert "no 1 please" in parked[0].error
        assert [item.position for item in await runtime.parked("seen", limit=1)] == [1]
        assert [item.position for item in await runtime.parked("seen", key="counter-c")] == [3]
        [group] = await runtime.parked_groups("seen")
        assert (group.events, group.fingerprint) == (2, parked[0].fingerprint)
    assert seen.amounts == [2]


async def test_a_name_that_the_store_does_not_have_is_refused() -> None:
    store = MemoryStore()
    async with running(store, Seen()) as runtime:
        with pytest.raises(UnknownSubscription, match=r"no subscription 'sene'; it has seen"):
            await runtime.pause("sene")
        for refused in (
            runtime.resume("sene"),
            runtime.parked("sene"),
            runtime.parked_groups("sene"),
            runtime.retry("sene"),
            runtime.discard("sene", reason="no"),
            runtime.discarded("sene"),
        ):
            with pytest.raises(UnknownSubscription):
                await refused
        with pytest.raises(UnknownSubscription):
            await SubscriptionControl(store, "another").pause("seen")
    assert await store.subscriptions.parked("counting", "seen") == []


async def test_a_handler_handles_everything_again_from_an_event_on() -> None:
    store = MemoryStore()
    seen = Seen()
    async with running(store, seen) as runtime:
        for amount in (1, 2, 3):
            await runtime.dispatch(Add(counter="a", amount=amount), consistency="strong")
        await until(lambda: saved(store, 3))
        assert await runtime.rewind("seen", 2) == 1
        await until(lambda: seen.amounts == [1, 2, 3, 2, 3])
        await until(lambda: saved(store, 3))
        assert await runtime.rewind("seen") == 0
        await until(lambda: seen.amounts == [1, 2, 3, 2, 3, 1, 2, 3])
        await runtime.dispatch(Add(counter="a", amount=4))
        await until(lambda: seen.amounts[-1] == 4)


async def test_what_cannot_begin_again_is_refused() -> None:
    async with running(MemoryStore(), Seen()) as runtime:
        with pytest.raises(UnknownSubscription):
            await runtime.rewind("mails")
        with pytest.raises(RewindRefused, match="no event handler seen 7"):
            await runtime.rewind("seen", version=7)
        with pytest.raises(RewindRefused, match="beyond the end"):
            await runtime.rewind("seen", 99)
