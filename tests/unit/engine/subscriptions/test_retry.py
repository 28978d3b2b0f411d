"""What follows an attempt that failed: by the class keywords, or as the handler decides."""

import pytest

from chekov import Again, Context, Event, EventHandler, MemoryStore, Park, Skip, Stop, handle
from chekov.domain.failure import Decision, Retry
from tests.unit.engine.counter_domain import Add, Added, Seen, status
from tests.unit.engine.running import append, running
from tests.waiting import passed, until


class Deciding(Seen, name="seen"):
    """Answers `decision` to every error, and remembers what it was asked."""

    def __init__(self, decision: object) -> None:
        super().__init__()
        self.decision = decision
        self.asked: list[tuple[str, object, int]] = []

    def on_error(self, error: Exception, event: Event, context: Context) -> Decision | None:
        assert isinstance(event, Added)
        self.asked.append((str(error), event.amount, context.attempt))
        if isinstance(self.decision, Exception):
            raise self.decision
        return self.decision  # type: ignore[return-value]


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Retry(first=1.0, longest=5.0).backoff()
    delays = [backoff.next() for _ in range(5)]
    for delay, expected in zip(delays, (1, 2, 4, 5, 5), strict=True):
        assert expected * 0.75 <= delay <= expected * 1.25


async def test_a_handler_may_try_again_more_often_than_others() -> None:
    seen = Deciding(Again(after=0.0))
    seen.failing = {1: 8}
    async with running(MemoryStore(), seen) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await until(lambda: seen.amounts == [1])
    assert seen.asked == [("no 1 please", 1, attempt) for attempt in range(1, 9)]
    assert seen.contexts[0].attempt == 9


@pytest.mark.parametrize(
    ("decision", "parked", "discarded"), [(Park(), [1], []), (Skip(), [], [1])]
)
async def test_a_handler_may_give_up_at_once(
    decision: Decision, parked: list[int], discarded: list[int]
) -> None:
    seen = Deciding(decision)
    seen.failing = {1: 1}
    async with running(MemoryStore(), seen, retry=Retry(first=3600)) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await passed(runtime, 1)
        assert [item.position for item in await runtime.parked("seen")] == parked
        assert [item.position for item in await runtime.discarded("seen")] == discarded
    assert len(seen.asked) == 1


async def test_a_handler_may_stop_its_subscription() -> None:
    seen = Deciding(Stop())
    seen.failing = {1: 1}
    async with running(MemoryStore(), seen, retry=Retry(first=3600)) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await until(lambda: status(runtime, "seen").state == "stopped")


@pytest.mark.parametrize("answer", [None, "park", ValueError("on_error is wrong itself")])
async def test_otherwise_the_keywords_decide(answer: object) -> None:
    seen = Deciding(answer)
    seen.failing = {1: 100}
    async with running(MemoryStore(), seen, retry=Retry(attempts=3, first=0.0)) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await passed(runtime, 1)
        [parked] = await runtime.parked("seen")
        assert runtime.healthy
    assert parked.attempts == 3
    assert [attempt for _, _, attempt in seen.asked] == [1, 2, 3]


async def test_a_handler_is_not_asked_about_what_it_was_not_given() -> None:
    store = MemoryStore()
    seen = Deciding(Skip())
    async with store:
        await append(store, b'{"amount": "many"}')
        async with running(store, seen) as runtime:
            await passed(runtime, 1)
            assert [item.position for item in await runtime.parked("seen")] == [1]
    assert seen.asked == []


async def test_each_class_has_its_own_retries() -> None:
    class Patient(EventHandler, name="patient", retry=Retry(attempts=4, first=0.0)):
        calls = 0

        @handle
        async def added(self, event: Added, context: Context) -> None:
            self.calls += 1
            raise RuntimeError(event.amount)

    class Hasty(Patient, name="hasty", retry=Retry(attempts=1)):
        pass

    patient, hasty = Patient(), Hasty()
    async with running(MemoryStore(), patient, hasty, retry=Retry(first=3600)) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await passed(runtime, 1)
    assert (patient.calls, hasty.calls) == (4, 1)
