"""Whoever waits for a position, woken when it is reached."""

import asyncio
import heapq
from itertools import count


class Waiters:
    """Futures by the position they wait for, the lowest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    async def wait(self, position: int) -> None:
        """Return when `position` is reached, or when there is a reason to look again."""
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._heap, (position, next(self._order), future))
        await future

    def reach(self, position: int) -> None:
        """Wake whoever waits for `position` or less."""
        heap = self._heap
        while heap and heap[0][0] <= position:
            _wake(heapq.heappop(heap)[2])

    def recheck(self) -> None:
        """Wake everyone."""
        waiting, self._heap = self._heap, []
        for _, _, future in waiting:
            _wake(future)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
