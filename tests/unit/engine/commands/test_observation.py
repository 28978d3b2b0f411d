"""The outcome of each command is reported, whatever it is."""

import asyncio

import pytest

from chekov import MemoryStore, Rejected, Runtime
from chekov.errors import CommandTimeout, WrongExpectedVersion
from chekov.store.port import Expected
from tests.unit.engine.commands.counting import DOMAIN, SlowStore
from tests.unit.engine.commands.outcomes import Outcomes
from tests.unit.engine.counter_domain import Add, AddAtMost, Break
from tests.waiting import until


def over(store: MemoryStore, outcomes: Outcomes) -> Runtime:
    return Runtime(DOMAIN, store=store, subscriptions=False, observers=[outcomes])


async def test_each_outcome_is_reported_with_the_number_of_events() -> None:
    outcomes = Outcomes()
    async with over(MemoryStore(), outcomes) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await runtime.dispatch(Add(counter="a", amount=0))
        with pytest.raises(Rejected):
            await runtime.dispatch(AddAtMost(counter="a", amount=1, limit=1))
        with pytest.raises(WrongExpectedVersion):
            await runtime.dispatch(Add(counter="a", amount=1), expected_version=Expected.NO_STREAM)
        with pytest.raises(ZeroDivisionError):
            await runtime.dispatch(Break(counter="a"))
    assert outcomes.all == [
        ("accepted", 1),
        ("accepted", 0),
        ("rejected", 0),
        ("conflict", 0),
        ("failed", 0),
    ]


async def test_a_timeout_is_reported() -> None:
    outcomes = Outcomes()
    async with over(SlowStore(), outcomes) as runtime:
        with pytest.raises(CommandTimeout):
            await runtime.dispatch(Add(counter="a", amount=1), timeout=0.01)
    assert outcomes.all == [("timeout", 0)]


async def test_a_command_that_is_cancelled_failed() -> None:
    outcomes, store = Outcomes(), SlowStore()
    async with over(store, outcomes) as runtime, asyncio.TaskGroup() as group:
        task = group.create_task(runtime.dispatch(Add(counter="a", amount=1)))
        await store.waiting.wait()
        task.cancel()
        await until(task.done)
    assert outcomes.all == [("failed", 0)]
