"""A live aggregate is used by one command at a time, and can be set back."""

import asyncio
import weakref

import pytest

from chekov import MemoryStore
from chekov.engine.commands.live_aggregate import LiveAggregate
from tests.unit.engine.commands.counting import over
from tests.unit.engine.counter_domain import AddAtMost, Added, Counter, TooMuch


async def test_commands_to_one_instance_run_one_at_a_time() -> None:
    async with over(MemoryStore()) as runtime:
        outcomes = await asyncio.gather(
            *(runtime.dispatch(AddAtMost(counter="a", amount=1, limit=10)) for _ in range(30)),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, TooMuch) for outcome in outcomes) == 20
        assert (await runtime.load(Counter, "a")).state.total == 10


def live(*, restorable: bool = True) -> LiveAggregate:
    """A counter with a state of version 1."""
    instance = LiveAggregate(Counter, "counter-a", restorable=restorable)
    instance.begin(Counter(total=5), version=1, position=1)
    return instance


async def test_the_lock_is_passed_on_in_the_order_of_asking() -> None:
    instance, order = live(), list[int]()

    async def work(number: int) -> None:
        await instance.acquire()
        order.append(number)
        instance.release()

    await instance.acquire()
    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(work(number))
        await asyncio.sleep(0)
        instance.release()
    assert order == [0, 1, 2, 3, 4]
    assert not instance.busy


async def test_a_waiter_that_is_cancelled_is_passed_over() -> None:
    instance = live()
    await instance.acquire()
    first, second = (asyncio.ensure_future(instance.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    instance.release()
    await second
    assert instance.busy
    assert first.cancelled()


async def test_a_waiter_that_is_cancelled_with_the_lock_passes_it_on() -> None:
    instance = live()
    await instance.acquire()
    first, second = (asyncio.ensure_future(instance.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    instance.release()
    first.cancel()
    await second
    assert first.cancelled()


async def test_a_stale_state_is_dropped_at_the_release() -> None:
    instance = live()
    await instance.acquire()
    instance.stale = True
    assert instance.state is not None
    instance.release()
    assert (instance.state, instance.version) == (None, 0)


def test_events_that_are_not_stored_are_undone_by_a_copy_of_the_fields() -> None:
    instance = live()
    instance.apply_tentatively([Added(amount=3)])
    assert instance.state == Counter(total=8)
    instance.undo(restore=True)
    assert (instance.state, instance.version) == (Counter(total=5), 1)


class Value:
    """Something that a field refers to."""


@pytest.mark.parametrize("confirmed", [True, False])
def test_what_a_state_was_before_is_not_held_longer_than_it_may_be_needed(
    *, confirmed: bool
) -> None:
    instance = live()
    held = weakref.ref(before := Value())
    vars(instance.state)["extra"] = before
    del before
    instance.apply_tentatively([Added(amount=3)])
    vars(instance.state)["extra"] = None
    assert held() is not None
    if confirmed:
        instance.confirm(2, 2)
    else:
        instance.undo(restore=False)
    assert held() is None


@pytest.mark.parametrize(("restorable", "restore"), [(False, True), (True, False)])
def test_without_a_copy_or_certainty_the_state_is_dropped(
    *, restorable: bool, restore: bool
) -> None:
    instance = live(restorable=restorable)
    instance.apply_tentatively([Added(amount=3)])
    instance.undo(restore=restore)
    assert instance.state is None


def test_events_that_are_stored_are_not_undone() -> None:
    instance = live()
    instance.apply_tentatively([Added(amount=3)])
    instance.confirm(version=2, position=7)
    instance.undo(restore=True)
    assert (instance.state, instance.version, instance.position) == (Counter(total=8), 2, 7)


def test_an_applier_that_fails_half_way_is_undone() -> None:
    instance = live()
    with pytest.raises(ValueError, match="refuses"):
        instance.apply_tentatively([Added(amount=3), Added(amount=-1)])
    instance.undo(restore=True)
    assert instance.state == Counter(total=5)


def test_a_state_with_a_list_where_none_is_annotated_is_dropped_instead() -> None:
    instance = live()
    vars(instance.state)["seen"] = ["a"]
    instance.apply_tentatively([Added(amount=3)])
    instance.undo(restore=True)
    assert instance.state is None
