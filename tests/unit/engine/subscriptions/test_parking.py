import pytest

from chekov import MemoryStore
from chekov.engine.subscriptions.retry import Retry
from chekov.errors import ConsistencyTimeout
from tests.unit.engine.counter_domain import Add, Seen, status
from tests.unit.engine.running import append, running
from tests.waiting import until


class StoppingSeen(Seen, name="seen", on_failure="stop"):
    pass


async def test_an_event_that_keeps_failing_is_parked_and_the_subscription_continues() -> None:
    store = MemoryStore()
    seen = Seen()
    seen.failing[2] = 100
    async with running(store, seen, lease=0.1) as runtime:
        for amount in (1, 2, 3):
            await runtime.dispatch(Add(counter="a", amount=amount))
        await runtime.wait(3)
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
        await append(store, b'{"amount": "many"}', b'{"amount": 2}')
        async with running(store, seen, retry=Retry(first=3600)) as runtime:
            await runtime.wait(2)
        (parked,) = await store.subscriptions.parked("counting", "seen")
    assert seen.amounts == [2]
    assert parked.attempts == 1
    assert "Undecodable" in parked.error
