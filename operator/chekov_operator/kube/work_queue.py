"""The keys to be reconciled: each at most once, and failed ones with exponential back-off."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from chekov_operator.kube.kinds import Key
from chekov_operator.metrics import Metrics

FIRST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 300.0


class WorkQueue:
    """Gives each key to one worker at a time.

    A key that is added while a worker reconciles it is reconciled once more afterwards: no change
    is missed, and no two workers reconcile the same object.
    """

    def __init__(self, metrics: Metrics, *, jitter: Callable[[], float] | None = None) -> None:
        """`jitter` returns the factor of each pause; by default between 0.8 and 1.2."""
        self._metrics = metrics
        self._jitter = jitter or _jitter
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: dict[Key, float] = {}
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        metrics.oldest.set_function(self._oldest_seconds)

    def add(self, key: Key) -> None:
        """Queue `key` for the next free worker."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = asyncio.get_running_loop().time()
            self._ready.put_nowait(key)
            self._metrics.depth.set(len(self._waiting))

    def add_after(self, key: Key, seconds: float) -> None:
        """Queue `key` after a pause, unless it is queued before that."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + seconds:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def forget(self, key: Key) -> None:
        """Drop the timer and the failures of an object that was deleted."""
        self._failures.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def retry(self, key: Key) -> float:
        """Queue a failed `key` again; return the pause in seconds, which doubles each time."""
        count = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** (min(count, 32) - 1)) * self._jitter()
        self.add_after(key, pause)
        return pause

    def reset_backoff(self, key: Key) -> None:
        self._failures.pop(key, None)

    async def work(self, reconcile: Callable[[Key], Awaitable[None]]) -> None:
        """Reconcile one key after the other, until cancelled. `reconcile` must not raise."""
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

    def _oldest_seconds(self) -> float:
        first = next(iter(self._waiting.values()), None)
        return 0.0 if first is None else asyncio.get_running_loop().time() - first

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)


def _jitter() -> float:
    return random.uniform(0.8, 1.2)  # noqa: S311 -- not used for security
