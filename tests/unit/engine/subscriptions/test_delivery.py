import pytest

from chekov import MemoryStore
from chekov.domain.failure import Retry
from chekov.errors import ChekovError, Draining, Overloaded, StoreUnavailable
from tests.unit.engine.counter_domain import Add, Added, Seen, status
from tests.unit.engine.running import running
from tests.waiting import until


async def test_a_failing_event_is_tried_again() -> None:
    seen = Seen()
    seen.failing[2] = 2
    async with running(MemoryStore(), seen) as runtime:
        for amount in (1, 2, 3):
            await runtime.dispatch(Add(counter="a", amount=amount))
        await runtime.wait(3)
        assert status(runtime, "seen").error is None
    assert seen.amounts == [1, 2, 3]
    assert [context.attempt for context in seen.contexts] == [1, 3, 1]


async def test_a_store_that_is_away_is_waited_for_and_not_held_against_the_event() -> None:
    times = iter(range(10))

    async def be_away(event: Added) -> None:
        if next(times, None) is not None:
            raise StoreUnavailable("gone for now")

    store = MemoryStore()
    seen = Seen(be_away)
    async with running(store, seen, lease=0.03) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await runtime.wait(1, timeout=240)
        assert await store.subscriptions.parked("counting", "seen") == []
    assert seen.amounts == [1]
    assert [context.attempt for context in seen.contexts] == [1]


async def test_draining_does_not_wait_out_the_pauses_of_a_failing_event() -> None:
    store = MemoryStore()
    seen, second = Seen(), Seen()
    seen.failing[1] = 100
    async with running(store, seen, retry=Retry(first=3600, longest=3600)) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await until(lambda: status(runtime, "seen").state == "retrying")
        assert status(runtime, "seen").error == "RuntimeError: no 1 please"
    async with running(store, second) as runtime:
        await runtime.wait(1)
    assert second.amounts == [1]


@pytest.mark.parametrize("refusal", [Overloaded("2000 wait"), Draining("bye")])
@pytest.mark.parametrize("grouped", [False, True])
async def test_a_refusal_of_the_process_counts_neither_as_an_attempt_nor_as_a_fault(
    refusal: ChekovError, *, grouped: bool
) -> None:
    times = iter(range(10))

    async def refuse(event: Added) -> None:
        if next(times, None) is not None:
            raise ExceptionGroup("of a task group", [refusal]) if grouped else refusal

    store = MemoryStore()
    seen = Seen(refuse)
    async with running(store, seen, retry=Retry(attempts=1, first=0.0001)) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await runtime.wait(1, timeout=240)
        assert await store.subscriptions.parked("counting", "seen") == []
    assert seen.amounts == [1]
    assert [context.attempt for context in seen.contexts] == [1]
