"""Waiting for a condition, which is what tests of running things do."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast


async def until(condition: Callable[[], object | Awaitable[object]], seconds: float = 30) -> None:
    """Return when `condition`, which may be async, holds."""
    async with asyncio.timeout(seconds):
        while not await _holds(condition):  # noqa: ASYNC110 conditions of anything have no event
            await asyncio.sleep(0.002)


async def _holds(condition: Callable[[], object | Awaitable[object]]) -> object:
    answer = condition()
    if isinstance(answer, Awaitable):
        return await cast("Awaitable[object]", answer)
    return answer
