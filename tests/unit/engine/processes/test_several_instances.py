"""An event for several instances of a process manager blocks all of them, over the memory store."""

from collections.abc import Awaitable, Callable

import pytest

from chekov import MemoryStore
from tests.unit.engine.processes.several_instances import SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_each_instance_keeps_its_order(
    scenario: Callable[[MemoryStore], Awaitable[None]],
) -> None:
    async with MemoryStore() as store:
        await scenario(store)
