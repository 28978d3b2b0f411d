import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from chekov import (
    Context,
    DefinitionError,
    Delivered,
    Domain,
    Event,
    EventHandler,
    MemoryStore,
    ProcessManager,
    handle,
    start,
)
from tests.unit.engine.counter_domain import Add, Added, Note, Noted, status
from tests.unit.engine.running import append, running
from tests.waiting import until


class Many(EventHandler, name="seen"):
    """Records what it is given at once; a note is given to it alone."""

    def __init__(self, *failing: int) -> None:
        self.failing = failing
        self.calls: list[list[int | str]] = []
        self.handled: list[int] = []
        self.contexts: list[Context] = []

    @handle(batch=(5, timedelta(0)))
    async def many(self, deliveries: Sequence[Delivered[Added]], context: Context) -> None:
        self.calls.append([delivery.event.amount for delivery in deliveries])
        self.contexts = [delivery.context for delivery in deliveries]
        assert context == self.contexts[-1]
        for event, _ in deliveries:
            if event.amount in self.failing:
                raise RuntimeError(f"no {event.amount} please")
        self.handled += [event.amount for event, _ in deliveries]

    @handle
    async def noted(self, event: Noted, context: Context) -> None:
        self.calls.append([event.text])


class Patient(Many, name="seen"):
    @handle(batch=(3, timedelta(minutes=1)))
    async def many(self, deliveries: Sequence[Delivered[Added]], context: Context) -> None:
        await super().many(deliveries, context)


async def stored(*amounts: int | str, apart: bool = False) -> MemoryStore:
    """With `apart`, each event is in a stream of its own."""
    store = MemoryStore()
    async with running(store) as runtime:
        for number, item in enumerate(amounts):
            counter = str(number) if apart else "a"
            if isinstance(item, str):
                await runtime.dispatch(Note(counter=counter, text=item))
            else:
                await runtime.dispatch(Add(counter=counter, amount=item))
    return store


async def test_events_in_a_row_are_given_together_up_to_the_size_in_order() -> None:
    many = Many()
    async with running(await stored(*range(1, 8), "so far", 9, 10), many) as runtime:
        await runtime.wait(10)
    assert many.calls == [[1, 2, 3, 4, 5], [6, 7], ["so far"], [9, 10]]
    assert [context.position for context in many.contexts] == [9, 10]


async def test_the_events_of_a_failed_batch_are_given_alone_and_the_guilty_one_is_parked() -> None:
    many = Many(3)
    async with running(await stored(1, 2, 3, 4, "end", apart=True), many) as runtime:
        await runtime.wait(5)
        assert status(runtime, "seen").parked == 1
        [parked] = await runtime.store.subscriptions.parked("counting", "seen")
    assert (parked.position, parked.attempts) == (3, 3)
    assert many.calls == [[1, 2, 3, 4], [1], [2], [3], [3], [3], [4], ["end"]]
    assert many.handled == [1, 2, 4]


async def test_later_events_of_a_parked_key_are_left_out_of_batches() -> None:
    many = Many(2)
    async with running(await stored(1, 2, 3), many) as runtime:
        await runtime.dispatch(Add(counter="b", amount=4))
        await until(lambda: 4 in many.handled)
    assert many.handled == [1, 4]


async def test_an_event_that_cannot_be_read_is_parked_and_those_beside_it_are_handled() -> None:
    many = Many()
    store = MemoryStore()
    async with running(store):
        await append(store, b'{"amount": 1}')
        await append(store, b"?", stream="counter-b")
        await append(store, b'{"amount": 3}', b'{"amount": 4}')
    async with running(store, many) as runtime:
        await runtime.wait(4)
        assert status(runtime, "seen").parked == 1
    assert many.calls == [[1], [3, 4]]


async def test_a_batch_is_waited_for_until_it_is_full() -> None:
    patient = Patient()
    async with running(MemoryStore(), patient) as runtime:
        for amount in (1, 2):
            await runtime.dispatch(Add(counter="a", amount=amount))
        waiting = asyncio.create_task(runtime.wait(3))
        await until(lambda: status(runtime, "seen").head == 2)
        assert patient.calls == []
        await runtime.dispatch(Add(counter="a", amount=3))
        await waiting
    assert patient.calls == [[1, 2, 3]]


async def test_a_process_that_drains_does_not_wait_for_a_batch() -> None:
    """The next owner handles what was waited with."""
    store = MemoryStore()
    patient, second = Patient(), Many()
    async with running(store, patient) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
    async with running(store, second) as runtime:
        await runtime.wait(1)
    assert patient.handled + second.handled == [1]


@pytest.mark.parametrize("amounts", [(1, 2, 3), (1, 2, 3, 4, 5, 6)])
async def test_a_restart_goes_on_after_the_last_batch(amounts: Sequence[int]) -> None:
    store = await stored(*amounts)
    first, second = Many(), Many()
    async with running(store, first) as runtime:
        await runtime.wait(len(amounts))
    async with running(store, second) as runtime:
        await runtime.dispatch(Add(counter="a", amount=9))
        await runtime.wait(len(amounts) + 1)
    assert (first.handled, second.handled) == (list(amounts), [9])


class Everything(EventHandler, name="everything"):
    def __init__(self) -> None:
        self.given: list[Event] = []

    @handle(batch=(10, timedelta(0)))
    async def many(self, deliveries: Sequence[Delivered[Event]], context: Context) -> None:
        self.given += [event for event, _ in deliveries]


async def test_a_batch_takes_every_event_of_the_domain() -> None:
    everything = Everything()
    async with running(await stored(1, "so far", 2), everything) as runtime:
        await runtime.wait(3)
    assert everything.given == [Added(amount=1), Noted(text="so far"), Added(amount=2)]


def test_a_process_manager_of_every_event_is_refused() -> None:
    class Manager(ProcessManager):
        @start(by=str)
        def any(self, event: Event) -> None: ...

    with pytest.raises(DefinitionError, match="takes Event, the base class: name the types"):
        Domain("counting", handlers=[Manager()])
