"""A process takes so many commands at a time, and none once it drains."""

import asyncio

import pytest

from chekov.errors import CommandTimeout, Draining, Overloaded
from tests.unit.engine.commands.counting import SlowStore, over
from tests.unit.engine.counter_domain import Add


async def test_more_commands_than_max_in_flight_are_refused() -> None:
    store = SlowStore()
    async with over(store, max_in_flight=1) as runtime, asyncio.TaskGroup() as group:
        group.create_task(runtime.dispatch(Add(counter="a", amount=1)))
        await store.waiting.wait()
        with pytest.raises(Overloaded):
            await runtime.dispatch(Add(counter="b", amount=1))
        store.open.set()


async def test_draining_finishes_what_is_in_flight_and_refuses_the_rest() -> None:
    store = SlowStore()
    async with over(store) as runtime, asyncio.TaskGroup() as group:
        first = group.create_task(runtime.dispatch(Add(counter="a", amount=1)))
        await store.waiting.wait()
        drain = group.create_task(runtime.drain())
        while True:
            try:
                await runtime.dispatch(Add(counter="b", amount=1), timeout=0.01)
            except Draining:
                break
            except CommandTimeout:
                continue
        store.open.set()
        await drain
        assert (await first).version == 1
