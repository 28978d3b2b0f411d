import asyncio
import copy
from collections.abc import Sequence
from typing import Any

import pytest

from chekov import Domain, EventHandler, MemoryStore, Runtime
from chekov.engine.observer import Observer
from chekov.engine.subscriptions.delivery import Retry
from chekov.errors import ConsistencyTimeout, StoreError, StoreUnavailable
from chekov.store.memory.subscriptions import MemorySubscriptions
from chekov.store.port import Claim, NewEvent, RecordedEvent
from chekov.uuid7 import uuid7
from examples.bank.bank import domain as bank
from tests.doubles import OwnEvents
from tests.unit.engine.bank import Add, Added, Counter, Note, Seen
from tests.waiting import until

QUICK = Retry(attempts=3, first=0.001)


class StoppingSeen(Seen, name="seen", on_failure="stop"):
    pass


def running(
    store: MemoryStore,
    *handlers: EventHandler,
    lease: float = 5.0,
    observers: Sequence[Observer] = (),
    retry: Retry = QUICK,
    node: str = "node",
) -> Runtime:
    domain = Domain("counting", aggregates=[Counter], handlers=handlers)
    return Runtime(domain, store=store, lease=lease, observers=observers, retry=retry, node=node)


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


async def test_strong_consistency_answers_after_the_handler() -> None:
    seen = Seen()
    async with running(MemoryStore(), seen) as runtime:
        for amount in range(1, 20):
            await runtime.dispatch(Add(counter="a", amount=amount), consistency="strong")
            assert seen.amounts[-1] == amount
            await runtime.dispatch(Add(counter="b", amount=amount), consistency=["seen"])
            assert seen.amounts[-1] == amount


async def test_events_stored_before_are_replayed_and_marked_so() -> None:
    store = MemoryStore()
    async with running(store) as runtime:
        for amount in range(1, 3001):
            await runtime.dispatch(Add(counter=str(amount % 7), amount=amount))
    seen = Seen()
    async with running(store, seen) as runtime:
        await until(lambda: runtime.subscriptions["seen"].state == "live")
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
        assert runtime.subscriptions["seen"].lag == 0
    assert seen.amounts == []


async def test_a_failing_event_is_tried_again() -> None:
    seen = Seen()
    seen.failing[2] = 2
    async with running(MemoryStore(), seen) as runtime:
        for amount in (1, 2, 3):
            await runtime.dispatch(Add(counter="a", amount=amount))
        await runtime.wait(3)
        assert runtime.subscriptions["seen"].error is None
    assert seen.amounts == [1, 2, 3]
    assert [context.attempt for context in seen.contexts] == [1, 3, 1]


async def test_an_event_that_keeps_failing_is_set_aside_and_the_rest_goes_on() -> None:
    store = MemoryStore()
    seen = Seen()
    seen.failing[2] = 100
    async with running(store, seen, lease=0.1) as runtime:
        for amount in (1, 2, 3):
            await runtime.dispatch(Add(counter="a", amount=amount))
        await runtime.wait(3)
        await until(lambda: runtime.subscriptions["seen"].parked == 1)
        (parked,) = await store.subscriptions.parked("counting", "seen")
    assert seen.amounts == [1, 3]
    assert (parked.position, parked.attempts, parked.type) == (2, 3, "Added")
    assert parked.error == "RuntimeError: no 2 please"


async def test_a_handler_may_ask_to_stop_instead_and_to_be_resumed() -> None:
    store = MemoryStore()
    seen = StoppingSeen()
    seen.failing[2] = 3
    async with running(store, seen) as runtime:
        for amount in (1, 2, 3):
            await runtime.dispatch(Add(counter="a", amount=amount))
        await until(lambda: runtime.subscriptions["seen"].state == "stopped")
        status = runtime.subscriptions["seen"]
        assert (status.owned, status.position) == (False, 1)
        assert status.error == "event 2 (Added): RuntimeError: no 2 please"
        with pytest.raises(ConsistencyTimeout) as caught:
            await runtime.wait(3, timeout=0.05)
        assert caught.value.behind == ("seen",)
        await store.subscriptions.resume("counting", "seen")
        await runtime.wait(3)
        assert runtime.subscriptions["seen"].error is None
    assert seen.amounts == [1, 2, 3]


async def test_an_event_that_cannot_be_read_is_set_aside_at_once() -> None:
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


async def test_a_paused_subscription_waits_until_it_is_resumed() -> None:
    store = MemoryStore()
    seen = Seen()
    async with running(store, seen) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
        await until(lambda: saved(store, 1))
        await store.subscriptions.pause("counting", "seen")
        await until(lambda: runtime.subscriptions["seen"].state == "paused")
        await runtime.dispatch(Add(counter="a", amount=2))
        await store.subscriptions.resume("counting", "seen")
        await runtime.wait(2)
        assert runtime.subscriptions["seen"].state == "live"
    assert seen.amounts == [1, 2]


async def test_one_of_two_processes_runs_it_and_the_other_takes_over_at_once() -> None:
    store = MemoryStore()
    first, second = Seen(), Seen()
    async with running(store, second, node="two") as other:
        async with running(store, first, node="one") as runtime:
            await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
            owners = [item.subscriptions["seen"].owned for item in (runtime, other)]
            assert sorted(owners) == [False, True]
            await other.dispatch(Add(counter="a", amount=2), consistency="strong")
        await other.dispatch(Add(counter="a", amount=3), consistency="strong")
        assert other.subscriptions["seen"].owned
    assert sorted(first.amounts + second.amounts) == [1, 2, 3]


async def test_a_process_that_hangs_loses_its_subscription_to_another() -> None:
    store = MemoryStore()
    gate = asyncio.Event()

    started = asyncio.Event()

    async def hang(event: Added) -> None:
        started.set()
        await gate.wait()

    class Silent(MemorySubscriptions):
        """The same subscriptions, seen by a process whose renewals do not get through."""

        silent = False

        async def claim(self, *args: Any, **options: Any) -> Sequence[Claim]:
            if self.silent:
                raise StoreUnavailable("no answer")
            return await super().claim(*args, **options)

    hanging, seen = Seen(hang), Seen()
    cut_off, renewals = copy.copy(store), Silent.__new__(Silent)
    renewals.__dict__.update(store.subscriptions.__dict__)
    cut_off.subscriptions = renewals
    async with store, running(cut_off, hanging, lease=0.3, node="one") as one:
        await one.dispatch(Add(counter="a", amount=1))
        await started.wait()
        renewals.silent = True
        async with running(store, seen, lease=0.3, node="two") as two:
            await two.wait(1)
            gate.set()
            await until(lambda: not one.subscriptions["seen"].owned)
            assert seen.amounts == [1]
            assert two.subscriptions["seen"].owned


async def test_a_store_that_is_away_is_waited_for_and_not_held_against_the_event() -> None:
    times = iter(range(10))

    async def be_away(event: Added) -> None:
        if next(times, None) is not None:
            raise StoreUnavailable("gone for now")

    store = MemoryStore()
    seen = Seen(be_away)
    async with running(store, seen, lease=0.03) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await runtime.wait(1, timeout=20)
        assert await store.subscriptions.parked("counting", "seen") == []
    assert seen.amounts == [1]
    assert [context.attempt for context in seen.contexts] == [1]


async def test_a_cancellation_that_a_handler_lets_out_is_its_failure() -> None:
    async def cancel(event: Added) -> None:
        raise asyncio.CancelledError

    store = MemoryStore()
    async with running(store, Seen(cancel)) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await runtime.wait(1)
        assert runtime.healthy
        assert len(await store.subscriptions.parked("counting", "seen")) == 1


async def test_a_handler_that_waits_for_everyone_does_not_wait_for_itself() -> None:
    async def echo(event: Added) -> None:
        await runtime.dispatch(Note(counter="b", text="heard"), consistency="strong")

    seen = Seen(echo)
    async with running(MemoryStore(), seen) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
        assert await runtime.store.head() == 2


async def test_a_subscription_that_is_unknown_is_refused_before_anything_is_stored() -> None:
    async with running(MemoryStore(), Seen()) as runtime:
        with pytest.raises(KeyError, match="nobody"):
            await runtime.dispatch(Add(counter="a", amount=1), consistency=["nobody"])
        assert await runtime.store.head() == 0
        await runtime.dispatch(Add(counter="a", amount=1), consistency=[])


async def test_strong_consistency_counts_on_other_processes() -> None:
    store = MemoryStore()
    seen = Seen()
    domain = Domain("counting", aggregates=[Counter], handlers=[seen])
    async with Runtime(domain, store=store, subscriptions=False) as commands:
        with pytest.raises(ConsistencyTimeout):
            await commands.dispatch(
                Add(counter="a", amount=1), consistency="strong", consistency_timeout=0.05
            )
        async with running(store, seen):
            await commands.dispatch(Add(counter="a", amount=2), consistency="strong")
            assert seen.amounts == [1, 2]


async def test_a_slow_handler_saves_its_checkpoint_while_it_works() -> None:
    store = MemoryStore()
    gates = asyncio.Semaphore(0)

    async def wait(event: Added) -> None:
        await gates.acquire()

    slow = Seen(wait)
    async with running(store, slow, lease=0.1) as runtime:
        for amount in range(1, 6):
            await runtime.dispatch(Add(counter="a", amount=amount))
        await until(lambda: runtime.subscriptions["seen"].owned)
        gates.release()
        await until(lambda: slow.amounts == [1])
        await runtime.wait(1)
        gates.release()
        await until(lambda: saved(store, 1))
        assert runtime.healthy
        for _ in range(5):
            gates.release()
        await runtime.wait(5)
    assert slow.amounts == [1, 2, 3, 4, 5]


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


async def test_draining_does_not_wait_out_the_pauses_of_a_failing_event() -> None:
    store = MemoryStore()
    seen, second = Seen(), Seen()
    seen.failing[1] = 100
    async with running(store, seen, retry=Retry(first=3600, longest=3600)) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await until(lambda: runtime.subscriptions["seen"].state == "retrying")
        assert runtime.subscriptions["seen"].error == "RuntimeError: no 1 please"
    async with running(store, second) as runtime:
        await runtime.wait(1)
    assert second.amounts == [1]


async def test_draining_gives_up_on_a_handler_that_does_not_end() -> None:
    started = asyncio.Event()

    async def never_end(event: Added) -> None:
        started.set()
        await asyncio.Event().wait()

    store = MemoryStore()
    seen = Seen()
    async with running(store, Seen(never_end)) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await started.wait()
        await runtime.drain(0.05)
    async with running(store, seen) as runtime:
        await runtime.wait(1)
    assert seen.amounts == [1]


async def test_a_background_task_that_dies_ends_the_runtime_with_its_error() -> None:
    class Broken(OwnEvents):
        broken = False

        async def head(self) -> int:
            if self.broken:
                raise ZeroDivisionError("the store is broken")
            return await super().head()

    store = Broken()
    runtime = running(store, Seen())

    async def run() -> None:
        async with runtime:
            store.broken = True
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert not runtime.healthy
    assert caught.group_contains(ZeroDivisionError, match="the store is broken")


async def test_a_hole_in_history_is_told() -> None:
    class Holed(OwnEvents):
        async def changed(self, position: int, wait_for: float) -> Sequence[RecordedEvent]:
            events = await super().changed(position, wait_for)
            return [event for event in events if event.position != 2]

        async def read_page(self, **options: object) -> Sequence[RecordedEvent]:  # type: ignore[override]
            page = await super().read_page(**options)  # type: ignore[arg-type]
            return [event for event in page if event.position != 2]

    missing: dict[str, int] = {}

    class Watching(Observer):
        def missing(self, subscription: str, events: int) -> None:
            missing[subscription] = missing.get(subscription, 0) + events

    seen = Seen()
    async with running(Holed(), seen, observers=[Watching()]) as runtime:
        for amount in (1, 2, 3):
            await runtime.dispatch(Add(counter="a", amount=amount))
        await runtime.wait(3)
    assert seen.amounts == [1, 3]
    assert missing["seen"] == 1


async def test_projections_need_a_database() -> None:
    with pytest.raises(StoreError, match=r"balances, or subscriptions=False"):
        async with Runtime(bank, store=MemoryStore()):
            pass
    async with Runtime(bank, store=MemoryStore(), subscriptions=False):
        pass


async def append(store: MemoryStore, *data: bytes) -> None:
    await store.append("counter-a", [NewEvent(uuid7(), "Added", item) for item in data])


async def saved(store: MemoryStore, position: int) -> bool:
    return (await store.subscriptions.list("counting"))[0].position >= position
