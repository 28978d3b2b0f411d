"""Hypothesis state machines that run against an open store."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from chekov.store.port import Store
from chekov.store.postgres import PostgresStore

T = TypeVar("T")
Opened = Callable[[], AbstractAsyncContextManager[Store]]


class StoreMachine(RuleBasedStateMachine):
    """Opens an empty store for each example."""

    opened: Any
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.context: AbstractAsyncContextManager[Store] = self.opened()
        self.store: Store = self.run(self.context.__aenter__())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        async def close() -> None:
            await self.context.__aexit__(None, None, None)

        self.run(close())


def check(machine: type[StoreMachine], opened: Opened, *, examples: int, steps: int) -> None:
    """Run `examples` sequences of up to `steps` steps; a failure prints its shortest sequence."""
    with asyncio.Runner() as runner:
        attributes = {"opened": staticmethod(opened), "runner": runner}
        run_state_machine_as_test(
            type("Machine", (machine,), attributes),
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much),
                phases=(Phase.reuse, Phase.generate, Phase.shrink),
                print_blob=True,
            ),
        )


def in_postgres(server: str) -> Opened:
    """Return how to open a Postgres store, in a new schema each time."""
    numbers = iter(range(1_000_000))

    @asynccontextmanager
    async def opened() -> AsyncGenerator[Store]:
        schema = f"model_{next(numbers)}"
        async with PostgresStore(server, schema=schema) as store:
            yield store
        connection = await asyncpg.connect(server)
        await connection.execute(f"drop schema {schema} cascade")
        await connection.close()

    return opened
