import pytest

from chekov import MemoryStore
from chekov.domain.failure import Retry
from chekov.errors import ConsistencyTimeout
from tests.unit.engine.counter_domain import Add, Seen, status
from tests.unit.engine.running import append, running
from tests.waiting import passed, until


class StoppingSeen(Seen, name="seen", on_failure="stop"):
    pass


async def test_an_event_that_keeps_failing_is_parked_and_the_subscription_continues() -> None:
    store = MemoryStore()
    seen = Seen()
    seen.failing[2] = 100
    async with running(store, seen, lease=0.1) as runtime:
        for counter, amount in (("a", 1), ("a", 2), ("b", 3)):
            await runtime.dispatch(Add(counter=counter, amount=amount))
        await until(lambda: status(runtime, "seen").position == 3)
        await until(lambda: status(runtime, "seen").parked == 1)
        (parked,) = await store.subscriptions.parked("counting", "seen")
    assert seen.amounts == [1, 3]
    assert (parked.position, parked.attempts, parked.type) == (2, 3, "Added")
    assert parked.error == "RuntimeError: no 2 please"


async def test_a_handler_may_stop_instead_until_it_is_resumed() -> None:
    store = MemoryStore()
    seen = StoppingSeen()
    seen.failing[2] = 3
    async with running(store, seen) as runtime:
        for amount in (1, 2, 3):
            await runtime.dispatch(Add(counter="a", amount=amount))
        await until(lambda: status(runtime, "seen").state == "stopped")
        stopped = status(runtime, "seen")
        assert (stopped.owned, stopped.position) == (False, 1)
        assert stopped.error == "event 2 (Added): RuntimeError: no 2 please"
        with pytest.raises(ConsistencyTimeout) as caught:
            await runtime.wait(3, timeout=0.05)
        assert caught.value.behind == ("seen",)
        await store.subscriptions.resume("counting", "seen")
        await runtime.wait(3)
        assert status(runtime, "seen").error is None
    assert seen.amounts == [1, 2, 3]


async def test_an_event_that_cannot_be_decoded_is_parked_without_retries() -> None:
    store = MemoryStore()
    seen = Seen()
    async with store:
        await append(store, b'{"amount": "many"}')
        await append(store, b'{"amount": 2}', stream="counter-b")
        async with running(store, seen, retry=Retry(first=3600)) as runtime:
            await passed(runtime, 2)
        (parked,) = await store.subscriptions.parked("counting", "seen")
    assert seen.amounts == [2]
    assert parked.attempts == 1
    assert "Undecodable" in parked.error


async def test_later_events_of_a_parked_key_are_parked_after_it() -> None:
    """Also by the next owner; the first of each key was tried, the others were not."""
    store = MemoryStore()
    first, second = Seen(), Seen()
    first.failing = {1: 100}
    async with running(store, first) as runtime:
        for counter, amount in (("a", 1), ("b", 2), ("a", 3), ("b", 4)):
            await runtime.dispatch(Add(counter=counter, amount=amount))
        await until(lambda: status(runtime, "seen").position == 4)
        assert status(runtime, "seen").parked_keys == 1
    async with running(store, second) as runtime:
        await runtime.dispatch(Add(counter="a", amount=5))
        await runtime.dispatch(Add(counter="b", amount=6))
        await until(lambda: status(runtime, "seen").position == 6)
    parked = await store.subscriptions.parked("counting", "seen")
    assert [(item.position, item.key, item.state, item.attempts) for item in parked] == [
        (1, "counter-a", "failed", 3),
        (3, "counter-a", "blocked", 0),
        (5, "counter-a", "blocked", 0),
    ]
    assert (first.amounts, second.amounts) == ([2, 4], [6])


async def test_many_blocked_events_are_parked_a_few_at_a_time() -> None:
    store = MemoryStore()
    seen = Seen()
    seen.failing = {1: 100}
    async with store:
        await append(store, b'{"amount": 1}', *[b'{"amount": 2}'] * 1_800)
        async with running(store, seen) as runtime:
            await passed(runtime, 1_801)
        [row] = await store.subscriptions.list("counting")
    assert (row.position, row.parked, row.parked_keys) == (1_801, 1_801, 1)
    assert seen.amounts == []


async def test_too_many_parked_keys_stop_the_subscription() -> None:
    store = MemoryStore()
    seen = Seen()
    seen.failing = {1: 100}
    async with running(store, seen, retry=Retry(attempts=1), most_parked_keys=2) as runtime:
        for counter in ("a", "b", "b", "c", "d"):
            await runtime.dispatch(Add(counter=counter, amount=1))
        await until(lambda: status(runtime, "seen").state == "stopped")
        assert [item.position for item in await runtime.parked("seen")] in ([1, 2], [1, 2, 3])
        assert "2 keys are parked, so the events are hardly at fault" in (
            status(runtime, "seen").error or ""
        )
        seen.failing = {}
        await runtime.resume("seen")
        await until(lambda: seen.amounts == [1, 1])
        await runtime.retry("seen")
        await until(lambda: seen.amounts == [1] * 5)


async def test_the_failure_is_kept_with_its_place_and_traceback() -> None:
    store = MemoryStore()
    seen = Seen()
    seen.failing = {1: 100}
    async with running(store, seen) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await until(lambda: status(runtime, "seen").parked == 1)
        [parked] = await runtime.parked("seen")
    handler, event, error, place = parked.fingerprint.split("/")
    assert (handler, event, error) == ("seen", "Added", "RuntimeError")
    assert place.startswith("tests.unit.engine.counter_domain.Seen.added:")
    assert "no 1 please" in parked.traceback
    assert parked.first_error == parked.error == "RuntimeError: no 1 please"


async def test_what_a_handler_skips_is_recorded_and_blocks_nothing() -> None:
    class SkippingSeen(Seen, name="seen", on_failure="skip"):
        pass

    store = MemoryStore()
    seen = SkippingSeen()
    seen.failing = {2: 100}
    async with running(store, seen) as runtime:
        for amount in (1, 2, 3):
            await runtime.dispatch(Add(counter="a", amount=amount))
        await until(lambda: status(runtime, "seen").position == 3)
        assert await runtime.parked("seen") == []
        [skipped] = await runtime.discarded("seen")
    assert seen.amounts == [1, 3]
    assert (skipped.position, skipped.attempts) == (2, 3)
    assert skipped.reason == "skipped by the handler"
