"""Parked events are handled again when somebody asks, in the order of their keys."""

import pytest

from chekov import MemoryStore, Runtime
from chekov.domain.failure import Retry
from chekov.errors import ChekovError, Draining, Overloaded, StoreUnavailable
from tests.unit.engine.counter_domain import Add, Added, Seen, status
from tests.unit.engine.running import append, running
from tests.waiting import passed, until

ONCE = Retry(attempts=1)


async def with_parked(runtime: Runtime, seen: Seen) -> None:
    """Of `a` the amounts 1, 3 and 5 are parked, of `b` 2; the first of each failed."""
    seen.failing = {1: 1, 2: 1}
    for counter, amount in (("a", 1), ("b", 2), ("a", 3), ("c", 4), ("a", 5)):
        await runtime.dispatch(Add(counter=counter, amount=amount))
    await until(lambda: status(runtime, "seen").position == 5)
    assert seen.amounts == [4]


async def parked(runtime: Runtime) -> list[tuple[int, str]]:
    return [(item.position, item.state) for item in await runtime.parked("seen")]


async def test_a_retried_key_is_handled_in_order_before_its_newer_events() -> None:
    seen = Seen()
    async with running(MemoryStore(), seen, retry=ONCE) as runtime:
        await with_parked(runtime, seen)
        assert await runtime.retry("seen", key="counter-a") == [1]
        await until(lambda: seen.amounts == [4, 1, 3, 5])
        await until(lambda: status(runtime, "seen").parked_keys == 1)
        await runtime.dispatch(Add(counter="a", amount=6))
        await until(lambda: seen.amounts == [4, 1, 3, 5, 6])
        assert await parked(runtime) == [(2, "failed")]
    assert [context.attempt for context in seen.contexts] == [1, 2, 1, 1, 1]


async def test_a_whole_fingerprint_is_retried() -> None:
    seen = Seen()
    async with running(MemoryStore(), seen, retry=ONCE) as runtime:
        await with_parked(runtime, seen)
        [group] = await runtime.parked_groups("seen")
        assert await runtime.retry("seen", fingerprint="of something else") == []
        assert await runtime.retry("seen", fingerprint=group.fingerprint) == [1, 2]
        await until(lambda: len(seen.amounts) == 5)
        await until(lambda: status(runtime, "seen").parked_keys == 0)
        assert await parked(runtime) == []
    assert [amount for amount in seen.amounts if amount != 2] == [4, 1, 3, 5]


async def test_what_fails_again_is_parked_again_and_blocks_the_rest() -> None:
    seen = Seen()
    async with running(MemoryStore(), seen, retry=ONCE) as runtime:
        await with_parked(runtime, seen)
        seen.failing = {3: 1}
        await runtime.retry("seen", key="counter-a")

        async def failed_again() -> bool:
            return await parked(runtime) == [(2, "failed"), (3, "failed"), (5, "blocked")]

        await until(failed_again)
        assert seen.amounts == [4, 1]
        await runtime.retry("seen", position=3)
        await until(lambda: seen.amounts == [4, 1, 3, 5])


async def test_attempts_add_up() -> None:
    seen = Seen()
    async with running(MemoryStore(), seen, retry=Retry(attempts=2, first=0.0)) as runtime:
        seen.failing = {1: 3}
        await runtime.dispatch(Add(counter="a", amount=1))
        await until(lambda: status(runtime, "seen").parked == 1)
        await runtime.retry("seen")

        async def attempts() -> list[int]:
            found = await runtime.parked("seen")
            return [item.attempts for item in found if item.state == "failed"]

        async def counted() -> bool:
            return await attempts() == [3]

        await until(counted)
        await runtime.retry("seen")
        await until(lambda: seen.amounts == [1])
    assert [context.attempt for context in seen.contexts] == [4]


async def test_a_discarded_event_lets_its_key_go_on() -> None:
    seen = Seen()
    async with running(MemoryStore(), seen, retry=ONCE) as runtime:
        await with_parked(runtime, seen)
        assert await runtime.discard("seen", key="counter-a", reason="sent twice") == [1]
        await until(lambda: seen.amounts == [4, 3, 5])
        assert await runtime.discard("seen", key="counter-b", reason="a test") == [2]
        await until(lambda: status(runtime, "seen").parked_keys == 0)
        await runtime.dispatch(Add(counter="b", amount=6))
        await until(lambda: seen.amounts == [4, 3, 5, 6])
        found = await runtime.discarded("seen")
    assert [(item.position, item.reason) for item in found] == [(1, "sent twice"), (2, "a test")]


async def test_another_process_goes_on_with_what_was_asked_for() -> None:
    store = MemoryStore()
    first, second = Seen(), Seen()
    async with running(store, first, retry=ONCE) as runtime:
        await with_parked(runtime, first)
    async with store:
        await store.subscriptions.pause("counting", "seen")
        async with running(store, second, retry=ONCE) as runtime:
            await runtime.retry("seen", key="counter-a")
            await runtime.resume("seen")
            await until(lambda: second.amounts == [1, 3, 5])


@pytest.mark.parametrize("refusal", [Overloaded("2000 wait"), StoreUnavailable("gone for now")])
async def test_what_is_not_the_events_fault_does_not_park_it_again(refusal: ChekovError) -> None:
    times = iter(range(3))

    async def refuse(event: Added) -> None:
        if event.amount == 1 and not seen.failing[1] and next(times, None) is not None:
            raise refusal

    seen = Seen(refuse)
    async with running(MemoryStore(), seen, retry=ONCE, lease=0.05) as runtime:
        await with_parked(runtime, seen)
        await runtime.retry("seen", key="counter-a")
        await until(lambda: seen.amounts == [4, 1, 3, 5])
    assert [context.attempt for context in seen.contexts] == [1, 2, 1, 1]


async def test_a_process_that_drains_leaves_what_is_due_to_the_next() -> None:
    store = MemoryStore()
    refused = [0]

    async def refuse(event: Added) -> None:
        if event.amount == 1 and not first.failing[1]:
            refused[0] += 1
            raise Draining("bye")

    first, second = Seen(refuse), Seen()
    async with running(store, first, retry=ONCE) as runtime:
        await with_parked(runtime, first)
        await runtime.retry("seen", key="counter-a")
        await until(lambda: refused[0] > 0)
    async with running(store, second, retry=ONCE):
        await until(lambda: second.amounts == [1, 3, 5])


async def test_a_key_with_many_parked_events_does_not_hold_up_the_others() -> None:
    store = MemoryStore()
    seen = Seen()
    seen.failing = {1: 1}
    async with store:
        await append(store, b'{"amount": 1}', *[b'{"amount": 2}'] * 999)
        async with running(store, seen, retry=ONCE) as runtime:
            await passed(runtime, 1_000)
            await runtime.pause("seen")
            await runtime.dispatch(Add(counter="b", amount=3))
            await runtime.dispatch(Add(counter="a", amount=4))
            await runtime.retry("seen")
            await runtime.resume("seen")
            await until(lambda: len(seen.amounts) == 1_002)
    assert seen.amounts[0] == 1
    assert seen.amounts[-1] == 4
    assert 0 < seen.amounts.index(3) < 1_000


async def test_an_event_that_was_erased_meanwhile_blocks_nothing() -> None:
    store = MemoryStore()
    seen = Seen()
    async with running(store, seen, retry=ONCE) as runtime:
        await with_parked(runtime, seen)
        await store.streams.truncate("counter-a", before=2, erase=True)
        await runtime.retry("seen", key="counter-a")
        await until(lambda: seen.amounts == [4, 3, 5])
