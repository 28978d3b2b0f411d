"""A wire that goes silent under a running domain: commands end in time, and all goes on after."""

import asyncio
from collections.abc import Callable

import pytest

from chekov import CommandTimeout, Runtime, StoreUnavailable
from chekov.store.postgres import PostgresStore
from tests.integration.engine_domain import Totals, counting
from tests.integration.wire import Wire
from tests.unit.engine import counter_domain
from tests.unit.engine.counter_domain import Add
from tests.waiting import until

BOUND = 30
"""Seconds that nothing may take: far more than it needs, far less than for ever."""


def runtime_at(dsn: str) -> Runtime:
    store = PostgresStore(dsn, migrate=False, patience=0.5, statement_timeout=0.5)
    return Runtime(counting(Totals()), store=store, command_timeout=1, lease=0.5)


async def is_executed(runtime: Runtime, counter: str) -> bool:
    try:
        async with asyncio.timeout(BOUND):
            await runtime.dispatch(Add(counter=counter, amount=1))
    except (CommandTimeout, StoreUnavailable):
        return False
    return True


def handled(runtime: Runtime) -> Callable[[], bool]:
    return lambda: counter_domain.status(runtime, "totals").lag == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("direction", ["questions", "answers"])
async def test_commands_end_in_time_one_after_the_other(dsn: str, direction: str) -> None:
    wire = Wire(dsn)
    async with wire.running() as through, runtime_at(through) as runtime:
        assert await is_executed(runtime, "a")
        await until(handled(runtime))
        wire.swallowing = "questions" if direction == "questions" else "answers"
        for counter in ("a", "a", "new"):
            assert not await is_executed(runtime, counter)
        assert not any(await asyncio.gather(*(is_executed(runtime, str(n)) for n in range(20))))
        wire.swallowing = None
        await until(lambda: is_executed(runtime, "a"))
        await until(handled(runtime))
        positions = [event.position async for event in runtime.store.read_all()]
        assert positions == list(range(1, len(positions) + 1))
        assert counter_domain.status(runtime, "totals").parked == 0
        assert await runtime.query("totals", "seen", {}) == positions


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("direction", ["questions", "answers"])
async def test_a_process_drains_over_a_silent_wire(dsn: str, direction: str) -> None:
    wire = Wire(dsn)
    async with wire.running() as through:
        runtime = runtime_at(through)
        await runtime.__aenter__()
        assert await is_executed(runtime, "a")
        await until(handled(runtime))
        wire.swallowing = "questions" if direction == "questions" else "answers"
        waiting = asyncio.create_task(is_executed(runtime, "a"))
        await asyncio.sleep(0)
        async with asyncio.timeout(BOUND):
            await runtime.__aexit__(None, None, None)
        assert not await waiting
