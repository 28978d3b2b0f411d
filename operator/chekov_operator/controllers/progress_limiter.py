"""Limits how often the progress of many objects is written into their statuses."""

import time
from collections.abc import Callable
from typing import Final

from chekov_operator.kube.kinds import Key

SECONDS_EACH: Final = 15.0
"""Between two writes of the progress of one object."""
MOST_A_SECOND: Final = 20
"""Of all objects together."""


class ProgressLimiter:
    """Spreads writes of mere progress. Changes of a state need not ask.

    Args:
        clock: monotonic seconds.
        seconds_each: between two writes of one object.
        most_a_second: writes of all objects.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        seconds_each: float = SECONDS_EACH,
        most_a_second: float = MOST_A_SECOND,
    ) -> None:
        self._clock = clock
        self._each = seconds_each
        self._pause = 1 / most_a_second
        self._last: dict[Key, float] = {}
        self._next = 0.0

    def wait(self, key: Key) -> float:
        """Seconds until the object's progress may be written; 0 if now, which counts as done."""
        now = self._clock()
        own = self._last.get(key)
        due = max(self._next, 0.0 if own is None else own + self._each)
        if due > now:
            return due - now
        self._last[key] = now
        # Time that nobody used is lost, but for one second of it.
        self._next = max(self._next, now - 1) + self._pause
        return 0.0

    def forget(self, key: Key) -> None:
        """Drop what is remembered of an object that was deleted."""
        self._last.pop(key, None)
