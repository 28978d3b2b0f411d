"""Keys that wait to be reconciled: each at most once, failed ones after growing pauses."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from chekov_operator.metrics import Metrics
from chekov_operator.resources import Key

FIRST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 300.0


class Queue:
    """Hands each key to one worker at a time.

    A key added while it is being worked on is worked on once more afterwards, so no change is
    missed and none is done twice at the same time.
    """

    def __init__(self, metrics: Metrics, *, spread: Callable[[], float] | None = None) -> None:
        """`spread` gives the factor by which each pause varies; by default 0.8 to 1.2."""
        self._metrics = metrics
        self._spread = spread or _spread
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: dict[Key, float] = {}
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}

    def add(self, key: Key) -> None:
        """Have `key` reconciled as soon as a worker is free."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = asyncio.get_running_loop().time()
            self._ready.put_nowait(key)
            self._metrics.depth.set(len(self._waiting))

    def add_later(self, key: Key, seconds: float) -> None:
        """Have `key` reconciled after a pause, unless something happens before."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + seconds:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def forget(self, key: Key) -> None:
        """`key` is gone: nothing about it needs to be kept."""
        self._failures.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def failed(self, key: Key) -> float:
        """Put `key` back after a pause that doubles with each failure; the pause, in seconds."""
        count = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** (min(count, 32) - 1)) * self._spread()
        self.add_later(key, pause)
        return pause

    def succeeded(self, key: Key) -> None:
        """The next failure of `key` is its first again."""
        self._failures.pop(key, None)

    async def work(self, reconcile: Callable[[Key], Awaitable[None]]) -> None:
        """Reconcile key after key, until cancelled. `reconcile` must not raise."""
        while True:
            key = await self._ready.get()
            since = self._waiting.pop(key)
            self._metrics.depth.set(len(self._waiting))
            self._metrics.waits.observe(asyncio.get_running_loop().time() - since)
            self._working.add(key)
            try:
                await reconcile(key)
            finally:
                self._working.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)


def _spread() -> float:
    return random.uniform(0.8, 1.2)  # noqa: S311 -- no secret hangs on it
