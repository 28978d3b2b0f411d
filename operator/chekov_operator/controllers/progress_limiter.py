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
        self._turns: dict[Key, float] = {}
        self._next = 0.0

    def wait(self, key: Key) -> float:
        """Seconds until the object's progress may be written; 0 if now, which counts as done.

        Each object that has to wait for others gets a turn of its own, which it keeps for a while:
        if all came back at the next turn, most of them would come in vain, many times a second.
        """
        now = self._clock()
        last = self._last.get(key)
        if last is not None and last + self._each > now:
            return last + self._each - now
        turn = self._turns.get(key)
        if turn is None or turn + self._each < now:
            # Time that nobody used is lost, but for one second of it.
            turn = self._turns[key] = max(self._next, now - 1)
            self._next = turn + self._pause
        if turn > now:
            return turn - now
        del self._turns[key]
        self._last[key] = now
        return 0.0

    def forget(self, key: Key) -> None:
        """Drop what is remembered of an object that was deleted."""
        self._last.pop(key, None)
        self._turns.pop(key, None)
