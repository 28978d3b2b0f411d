"""Waiting for a condition, as tests of running processes must."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from chekov import Runtime


async def until(condition: Callable[[], object | Awaitable[object]], seconds: float = 120) -> None:
    """Return once `condition`, which may be async, holds.

    Raises:
        TimeoutError: it does not hold within `seconds`.
    """
    async with asyncio.timeout(seconds):
        while not await _holds(condition):  # noqa: ASYNC110 an arbitrary condition has no event
            await asyncio.sleep(0.002)


async def _holds(condition: Callable[[], object | Awaitable[object]]) -> object:
    result = condition()
    if isinstance(result, Awaitable):
        return await cast("Awaitable[object]", result)
    return result


async def passed(runtime: Runtime, position: int) -> None:
    """Return when every subscription has handled or set aside everything up to `position`.

    What it has done is saved then.
    """

    async def saved() -> bool:
        rows = await runtime.store.subscriptions.list(runtime.domain.name)
        states = runtime.subscriptions.values()
        return all(item.position >= position for item in (*rows, *states))

    await until(saved)
