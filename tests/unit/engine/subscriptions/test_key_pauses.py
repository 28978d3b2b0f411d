"""While an event waits for its next attempt its key waits, and all other keys go on."""

import asyncio
from functools import partial
from typing import Any

import pytest

from chekov import (
    Again,
    ChekovError,
    Context,
    Event,
    EventHandler,
    MemoryStore,
    Overloaded,
    Park,
    Runtime,
    Skip,
    Stop,
    handle,
)
from chekov.domain.failure import Retry
from tests.unit.engine.counter_domain import Add, Added, Seen, status
from tests.unit.engine.running import running
from tests.waiting import until

PATIENT = Retry(attempts=5, first=3600.0, longest=3600.0)
SOON = Retry(attempts=5, first=0.4, longest=0.4)


class Deciding(EventHandler, name="seen", consistency="strong"):
    """Fails on amounts as often as it is told to, and then does what it is told to."""

    def __init__(self, decisions: dict[int, list[Any]]) -> None:
        self.decisions = decisions
        self.amounts: list[int] = []
        self.attempts: list[int] = []

    @handle
    async def added(self, event: Added, context: Context) -> None:
        if self.decisions.get(event.amount):
            raise RuntimeError(f"no {event.amount} please")
        self.amounts.append(event.amount)
        self.attempts.append(context.attempt)

    def on_error(self, error: Exception, event: Event, context: Context) -> Any:
        assert isinstance(event, Added)
        return self.decisions[event.amount].pop(0)


async def add(runtime: Runtime, *pairs: tuple[str, int]) -> None:
    for counter, amount in pairs:
        await runtime.dispatch(Add(counter=counter, amount=amount))


async def parked(runtime: Runtime) -> list[tuple[int, str, int]]:
    found = await runtime.parked("seen")
    return [(item.position, item.state, item.attempts) for item in found]


async def test_other_keys_go_on_and_the_same_key_waits_in_order() -> None:
    seen = Seen()
    seen.failing = {1: 1}
    async with running(MemoryStore(), seen, retry=PATIENT) as runtime:
        await add(runtime, ("a", 1), ("b", 2), ("a", 3), ("c", 4), ("b", 5))
        await until(lambda: seen.amounts == [2, 4, 5], 60)

        async def set_aside() -> bool:
            return await parked(runtime) == [(1, "retrying", 1), (3, "blocked", 0)]

        await until(set_aside, 60)
        assert status(runtime, "seen").position == 5


async def test_who_retries_an_event_ends_its_pause_and_no_other() -> None:
    seen = Seen()
    seen.failing = {1: 2, 2: 1}
    async with running(MemoryStore(), seen, retry=PATIENT) as runtime:
        await add(runtime, ("a", 1), ("b", 2), ("a", 3), ("c", 4))
        await until(lambda: seen.amounts == [4], 60)
        assert await runtime.retry("seen", key="counter-a") == [1]
        await until(lambda: seen.failing[1] == 0, 60)
        assert seen.amounts == [4]
        assert await runtime.retry("seen", position=1) == [1]
        await until(lambda: seen.amounts == [4, 1, 3], 60)
        assert [context.attempt for context in seen.contexts] == [1, 3, 1]
        assert await parked(runtime) == [(2, "retrying", 1)]
        assert await runtime.retry("seen") == [2]
        await until(lambda: seen.amounts == [4, 1, 3, 2], 60)


async def test_who_retries_while_events_wait_in_their_place_is_heard_at_once() -> None:
    seen = Seen()
    seen.failing = {1: 1, 2: 1, 3: 1, 4: 1}
    async with running(MemoryStore(), seen, retry=PATIENT) as runtime:
        await add(runtime, ("a", 1), ("b", 2), ("c", 3), ("d", 4))
        await until(lambda: seen.failing[4] == 0, 60)
        assert await runtime.retry("seen") == [1, 2, 3]
        await until(lambda: sorted(seen.amounts) == [1, 2, 3, 4], 60)


async def test_an_event_that_waits_in_its_place_is_not_tried_on_and_on_after_a_retry() -> None:
    seen = Seen()
    seen.failing = {1: 1, 2: 1, 3: 1, 4: 1000}
    async with running(MemoryStore(), seen, retry=PATIENT) as runtime:
        await add(runtime, ("a", 1), ("b", 2), ("c", 3), ("d", 4))
        await until(lambda: seen.failing[4] == 999, 60)
        assert await runtime.retry("seen") == [1, 2, 3]
        await until(lambda: sorted(seen.amounts) == [1, 2, 3], 60)
        assert seen.failing[4] > 990


class WaitingInPlace(Deciding, name="seen", consistency="strong"):
    """Fails at the amount 99 until it is told to stop, with the error that it is given."""

    def __init__(self, decisions: dict[int, list[Any]], refusal: Exception) -> None:
        super().__init__(decisions)
        self.refusal: Exception | None = refusal
        self.refused = 0

    @handle
    async def added(self, event: Added, context: Context) -> None:
        if event.amount == 99 and self.refusal is not None:
            self.refused += 1
            raise self.refusal
        await super().added(event, context)

    def on_error(self, error: Exception, event: Event, context: Context) -> Any:
        if error is self.refusal:
            return Again(after=3600.0)
        return super().on_error(error, event, context)


async def is_empty(runtime: Runtime) -> bool:
    return await parked(runtime) == []


@pytest.mark.parametrize("refusal", [RuntimeError("no 99 yet"), Overloaded("no 99 yet")])
async def test_failed_keys_are_retried_in_order_while_another_event_waits_in_its_place(
    refusal: Exception,
) -> None:
    """None is lost, overtaken or handled twice."""
    store = MemoryStore()
    failing = {amount: [Park()] for amount in (1, 2, 3)}
    pausing = {amount: [Again(after=3600.0)] for amount in (11, 12, 13)}
    handler = WaitingInPlace({**failing, **pausing}, refusal)
    async with running(store, handler, retry=PATIENT) as runtime:
        await add(
            runtime, ("a", 1), ("b", 2), ("c", 3), ("a", 4), ("b", 5), ("a", 6), ("c", 7),
            ("p", 11), ("q", 12), ("r", 13), ("d", 99), ("a", 8), ("d", 100), ("e", 101),
        )  # fmt: skip
        await until(lambda: handler.refused, 60)
        assert handler.amounts == []
        assert await runtime.retry("seen") == [1, 2, 3, 8, 9, 10]
        retried = {1, 2, 3, 4, 5, 6, 7, 11, 12, 13}
        await until(lambda: retried <= {*handler.amounts}, 60)

        async def only_the_refused_key_is_parked() -> bool:
            return {position for position, _, _ in await parked(runtime)} <= {11, 13}

        await until(only_the_refused_key_is_parked, 60)
    assert not {99, 100} & {*handler.amounts}
    handler.refusal = None
    async with running(store, handler, retry=PATIENT) as runtime:
        await until(lambda: {*handler.amounts} == {*retried, 8, 99, 100, 101}, 60)
        await until(lambda: status(runtime, "seen").position == 14, 60)
        await until(lambda: is_empty(runtime), 60)
    assert sorted(handler.amounts) == sorted([*retried, 8, 99, 100, 101])
    for key in ([1, 4, 6, 8], [2, 5], [3, 7], [99, 100]):
        assert [amount for amount in handler.amounts if amount in key] == key


async def test_after_its_pause_the_key_catches_up_in_order() -> None:
    seen = Seen()
    seen.failing = {1: 3}
    async with running(MemoryStore(), seen, retry=SOON) as runtime:
        await add(runtime, ("a", 1), ("b", 2), ("a", 3), ("a", 4))
        await until(lambda: seen.amounts == [2, 1, 3, 4], 60)
        await until(lambda: status(runtime, "seen").parked_keys == 0, 60)
        assert await parked(runtime) == []
        await add(runtime, ("a", 5))
        await until(lambda: seen.amounts[4:] == [5], 60)
    assert [context.attempt for context in seen.contexts] == [1, 4, 1, 1, 1]


async def test_an_event_that_keeps_failing_is_parked_in_the_end() -> None:
    seen = Seen()
    seen.failing = {1: 100}
    async with running(MemoryStore(), seen, retry=SOON) as runtime:
        await add(runtime, ("a", 1), ("b", 2), ("a", 3))

        async def given_up() -> bool:
            return await parked(runtime) == [(1, "failed", 5), (3, "blocked", 0)]

        await until(given_up, 60)
        assert seen.failing[1] == 95
        assert seen.amounts == [2]


async def test_the_next_process_takes_up_what_was_waiting_and_counts_on() -> None:
    store, seen = MemoryStore(), Seen()
    seen.failing = {1: 1}
    async with store:
        async with running(store, seen, retry=PATIENT) as runtime:
            await add(runtime, ("a", 1), ("b", 2), ("a", 3))
            await until(lambda: seen.amounts == [2], 60)
            await until(lambda: status(runtime, "seen").position == 3, 60)
        async with running(store, seen, retry=PATIENT):
            await until(lambda: seen.amounts == [2, 1, 3], 60)
    assert [context.attempt for context in seen.contexts] == [1, 2, 1]


async def test_who_waits_for_the_event_waits_until_it_is_handled() -> None:
    seen = Seen()
    seen.failing = {1: 1, 3: 1}
    async with running(MemoryStore(), seen, retry=SOON) as runtime:
        dispatch = partial(runtime.dispatch, consistency="strong", consistency_timeout=240)
        await dispatch(Add(counter="a", amount=1))
        assert seen.amounts == [1]
        await add(runtime, ("a", 3))
        await dispatch(Add(counter="a", amount=4))
        assert seen.amounts == [1, 3, 4]


async def test_who_waits_for_an_event_that_is_parked_in_the_end_is_told() -> None:
    seen = Seen()
    seen.failing = {1: 100}
    retry = Retry(attempts=2, first=0.4)
    async with running(MemoryStore(), seen, retry=retry) as runtime:
        with pytest.raises(ChekovError, match="was set aside by seen"):
            await runtime.dispatch(
                Add(counter="a", amount=1), consistency="strong", consistency_timeout=240
            )


async def test_when_one_event_after_the_other_fails_the_rest_waits_with_them() -> None:
    seen = Seen()
    seen.failing = dict.fromkeys(range(1, 6), 1)
    async with running(MemoryStore(), seen, retry=PATIENT) as runtime:
        await add(runtime, *((str(amount), amount) for amount in range(1, 7)))
        await until(lambda: status(runtime, "seen").state == "retrying", 60)
        assert status(runtime, "seen").position == 3
        assert [position for position, *_ in await parked(runtime)] == [1, 2, 3]
        assert seen.amounts == []


async def test_a_handler_that_stops_at_a_failure_never_goes_past_it() -> None:
    class Strict(Seen, name="seen", on_failure="stop"):
        pass

    seen = Strict()
    seen.failing = {1: 1}
    async with running(MemoryStore(), seen, retry=PATIENT) as runtime:
        await add(runtime, ("a", 1), ("b", 2))
        await until(lambda: status(runtime, "seen").state == "retrying", 60)
        assert (status(runtime, "seen").position, seen.amounts) == (0, [])


async def test_a_handler_decides_after_the_pause_too() -> None:
    later = Again(after=0.4)
    seen = Deciding({1: [later, Skip()], 2: [later, Park()], 3: [later, later]})
    async with running(MemoryStore(), seen) as runtime:
        await add(runtime, ("a", 1), ("b", 2), ("c", 3), ("a", 4), ("b", 5), ("c", 6))
        await until(lambda: seen.amounts == [4, 3, 6], 60)

        async def decided() -> bool:
            return await parked(runtime) == [(2, "failed", 2), (5, "blocked", 0)]

        await until(decided, 60)
        [skipped] = await runtime.discarded("seen")
        assert (skipped.position, skipped.attempts, skipped.reason) == (
            1, 2, "skipped by the handler",
        )  # fmt: skip
    assert seen.attempts == [1, 3, 1]


async def test_a_handler_that_stops_after_the_pause_leaves_the_event_parked() -> None:
    seen = Deciding({1: [Again(after=0.4), Stop()]})
    async with running(MemoryStore(), seen) as runtime:
        await add(runtime, ("a", 1), ("b", 2))
        await until(lambda: status(runtime, "seen").state == "stopped", 60)
        assert "event 1 (Added) is parked" in str(status(runtime, "seen").error)
        await runtime.retry("seen")
        await runtime.resume("seen")
        await until(lambda: seen.amounts == [2, 1], 60)


async def test_a_pause_ends_while_other_events_come() -> None:
    seen = Seen()
    seen.failing = {1: 1}
    async with running(MemoryStore(), seen, retry=SOON) as runtime:
        await add(runtime, ("a", 1))
        async with asyncio.timeout(240):
            while 1 not in seen.amounts:
                await add(runtime, ("b", len(seen.amounts) + 10))
                await asyncio.sleep(0.001)
