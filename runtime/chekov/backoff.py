"""Exponential back-off with jitter: the one way to wait before another try."""

import asyncio
import random


class Backoff:
    """Delays that grow by a factor up to a bound, spread so that processes do not retry in step.

    Args:
        first: seconds before the second try.
        longest: the most seconds between two tries, before the spread.
        factor: what each delay is multiplied by to get the next.
        spread: the range of the random factor that each delay is multiplied by.
    """

    def __init__(
        self,
        first: float = 0.02,
        longest: float = 1.0,
        *,
        factor: float = 2.0,
        spread: tuple[float, float] = (0.5, 1.0),
    ) -> None:
        self._first = self._next = first
        self._longest = longest
        self._factor = factor
        self._spread = spread

    def next(self) -> float:
        """Return the delay before the next try, in seconds, and lengthen the one after it."""
        delay = min(self._next, self._longest)
        self._next = min(delay * self._factor, self._longest)
        return delay * random.uniform(*self._spread)  # noqa: S311 no secret

    async def wait(self) -> None:
        """Sleep for the next delay."""
        await asyncio.sleep(self.next())

    def reset(self) -> None:
        """Start again with the first delay, after a success."""
        self._next = self._first
