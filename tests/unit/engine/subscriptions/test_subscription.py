import asyncio
from collections.abc import Sequence
from typing import Any

from chekov import MemoryStore
from chekov.engine.observer import Observer
from chekov.store.port import RecordedEvent, SubscriptionKey
from tests.doubles import OwnEvents
from tests.unit.engine.counter_domain import Add, Added, Note, Seen, status
from tests.unit.engine.running import append, running, saved
from tests.waiting import until


async def test_a_handler_is_given_each_event_in_order_with_its_context() -> None:
    seen = Seen()
    async with running(MemoryStore(), seen) as runtime:
        for amount in (1, 2, 3):
            done = await runtime.dispatch(Add(counter="a", amount=amount), metadata={"n": amount})
        await runtime.wait(done.position)
    assert seen.amounts == [1, 2, 3]
    context = seen.contexts[2]
    assert (context.stream, context.version, context.position) == ("counter-a", 3, 3)
    assert (context.causation_id, context.correlation_id) == (done.command_id, done.correlation_id)
    assert (context.metadata, context.attempt, context.replaying) == ({"n": 3}, 1, False)
    assert (context.id, context.time) == (done.recorded[0].id, done.recorded[0].time)


async def test_events_stored_before_are_replayed_and_marked_so() -> None:
    store = MemoryStore()
    async with running(store) as runtime:
        for amount in range(1, 3001):
            await runtime.dispatch(Add(counter=str(amount % 7), amount=amount))
    seen = Seen()
    async with running(store, seen) as runtime:
        await until(lambda: status(runtime, "seen").state == "live")
        await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
    assert seen.amounts == [*range(1, 3001), 1]
    assert [context.replaying for context in seen.contexts] == [True] * 3000 + [False]


async def test_a_restart_goes_on_after_the_checkpoint() -> None:
    store = MemoryStore()
    first, second = Seen(), Seen()
    async with running(store, first) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
    async with running(store) as runtime:
        await runtime.dispatch(Add(counter="a", amount=2))
    async with running(store, second) as runtime:
        await runtime.wait(2)
    assert (first.amounts, second.amounts) == ([1], [2])
    assert [context.replaying for context in second.contexts] == [False]


async def test_events_of_no_interest_move_the_checkpoint_too() -> None:
    store = MemoryStore()
    seen = Seen()
    async with running(store, seen) as runtime:
        for number in range(50):
            await runtime.dispatch(Note(counter="a", text=str(number)), consistency="strong")
        await until(lambda: saved(store, 50))
        assert status(runtime, "seen").lag == 0
    assert seen.amounts == []


async def test_draining_stops_after_the_event_at_hand() -> None:
    store = MemoryStore()
    gate = asyncio.Event()

    started = asyncio.Event()

    async def wait(event: Added) -> None:
        started.set()
        await gate.wait()

    first, second = Seen(wait), Seen()
    async with running(store, first) as runtime:
        for amount in range(1, 6):
            await runtime.dispatch(Add(counter="a", amount=amount))
        await started.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(runtime.drain())
            await until(lambda: runtime.drained)
            gate.set()
    async with running(store, second) as runtime:
        await runtime.wait(5)
    assert first.amounts == [1]
    assert second.amounts == [2, 3, 4, 5]


async def test_a_hole_in_history_is_told() -> None:
    class Holed(OwnEvents):
        async def read_page(self, **options: object) -> Sequence[RecordedEvent]:  # type: ignore[override]
            page = await super().read_page(**options)  # type: ignore[arg-type]
            return [event for event in page if event.position != 2]

    missing: dict[str, int] = {}

    class Watching(Observer):
        def missing(self, subscription: SubscriptionKey, events: int) -> None:
            missing[subscription.name] = missing.get(subscription.name, 0) + events

    seen = Seen()
    store = Holed()
    # As if another process had stored the events: the tail reads them.
    store.tail.push = lambda recorded, drops=None: store.tail.heard(recorded[-1].position)  # noqa: ARG005
    async with running(store, seen, observers=[Watching()]) as runtime:
        for amount in (1, 2, 3):
            await runtime.dispatch(Add(counter="a", amount=amount))
        await runtime.wait(3)
    assert seen.amounts == [1, 3]
    assert missing["seen"] == 1


class Counting(OwnEvents):
    """Counts the events that are read."""

    rows = 0

    async def read_page(self, **options: Any) -> Sequence[RecordedEvent]:
        page = await super().read_page(**options)
        self.rows += len(page)
        return page


def watcher(number: int) -> Seen:
    class Watcher(Seen, name=f"seen-{number}", consistency="strong"):
        pass

    return Watcher()


async def test_subscriptions_that_catch_up_together_read_the_log_once() -> None:
    total = 12_000
    store = Counting()
    async with store:
        for _ in range(total // 1000):
            await append(store, *[b'{"amount": 1}'] * 1000)
        watchers = [watcher(number) for number in range(10)]
        async with running(store, *watchers) as runtime:
            await runtime.wait(total, timeout=240)
    assert [len(item.amounts) for item in watchers] == [total] * 10
    assert store.rows <= 1.3 * total


async def test_what_another_process_stores_is_read_once_for_all() -> None:
    store = Counting()
    # As if another process had stored the events: the tail reads them.
    store.tail.push = lambda recorded, drops=None: store.tail.heard(recorded[-1].position)  # noqa: ARG005
    watchers = [watcher(number) for number in range(10)]
    async with running(store, *watchers) as runtime:
        for amount in range(1, 51):
            await runtime.dispatch(Add(counter="a", amount=amount), consistency="strong")
    assert [item.amounts for item in watchers] == [list(range(1, 51))] * 10
    assert store.rows <= 1.3 * 50
