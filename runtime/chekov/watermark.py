"""A number that only rises, and everyone who waits for it: the one way to wait for progress."""

import asyncio
import heapq
from itertools import count


class Watermark:
    """A position, or a counter of changes, that tasks wait for.

    Waiters sit in a heap by the value they wait for, so an advance looks only at those it wakes.

    Attributes:
        value: the highest value seen.
    """

    def __init__(self, value: int = 0) -> None:
        self.value = value
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    def advance(self, value: int) -> None:
        """Raise the value, and wake who waits for it or less. A lower value changes nothing."""
        if value <= self.value:
            return
        self.value = value
        waiting = self._waiting
        while waiting and waiting[0][0] <= value:
            _wake(heapq.heappop(waiting)[2])

    def bump(self) -> None:
        """Raise the value by one: something changed."""
        self.advance(self.value + 1)

    def wake_all(self) -> None:
        """Let every waiter look again, although the value stays."""
        waiting, self._waiting = self._waiting, []
        for _, _, future in waiting:
            _wake(future)

    async def wait_above(self, seen: int, timeout: float | None = None) -> int:
        """Return the value once it is above `seen`, or as it is after `timeout` seconds.

        Also returns when `wake_all` is called, so callers check the value they get.
        """
        if self.value > seen:
            return self.value
        future = asyncio.get_running_loop().create_future()
        entry = (seen + 1, next(self._order), future)
        heapq.heappush(self._waiting, entry)
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            pass
        finally:
            if not future.done() or future.cancelled():
                self._discard(entry)
        return self.value

    def _discard(self, entry: tuple[int, int, asyncio.Future[None]]) -> None:
        if entry in self._waiting:
            self._waiting.remove(entry)
            heapq.heapify(self._waiting)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
