"""Lets in as much at a time as a process can take; the rest waits, in order, for a while.

Whoever is refused at once comes back at once: a thousand clients that do not wait left a tenth of
the throughput to the others. One that is held asks once, and is answered when its turn comes.
"""

import asyncio
from collections import deque
from typing import Final

from chekov.errors import Overloaded

_Waiting = tuple[int, float, asyncio.Future[None]]

_FOREVER: Final = float("inf")
_STEP_SECONDS: Final = 0.05
"""From one refusal to the next, however many wait."""


class Gate:
    """A number of places, taken and left in the order of arrival.

    Args:
        places: how many there are.
        patience: seconds that somebody waits for them.
        what: is counted, for people.
    """

    def __init__(self, places: int, patience: float, what: str) -> None:
        self._places = self._free = places
        self._patience = patience
        self._what = what
        self._waiting: deque[_Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_crowded(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    def try_enter(self, places: int = 1) -> bool:
        """Take places if they are free and nobody waits."""
        if self._waiting or self._free < places:
            return False
        self._free -= places
        return True

    async def enter(self, places: int = 1, *, patient: bool = False) -> int:
        """Take places, all there are at most, once they are free.

        Args:
            places: how many.
            patient: whether to wait however long it takes.

        Returns:
            How many were taken.

        Raises:
            Overloaded: they did not become free in time.
        """
        places = min(places, self._places)
        if self.try_enter(places):
            return places
        loop = asyncio.get_running_loop()
        until = _FOREVER if patient else loop.time() + self._patience
        turn = loop.create_future()
        self._waiting.append((places, until, turn))
        if self._timer is None and not patient:
            self._timer = loop.call_at(until, self._refuse)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(places)
            raise
        return places

    def leave(self, places: int = 1) -> None:
        """Give places back; they go to whoever waits longest."""
        self._free += min(places, self._places)
        waiting = self._waiting
        while waiting and (waiting[0][2].done() or waiting[0][0] <= self._free):
            taken, _, turn = waiting.popleft()
            if not turn.done():
                self._free -= taken
                turn.set_result(None)

    def _refuse(self) -> None:
        """Refuse whoever has waited too long, and come back for the next one."""
        loop = asyncio.get_running_loop()
        now, self._timer = loop.time(), None
        left: deque[_Waiting] = deque()
        for places, until, turn in self._waiting:
            if turn.done():
                continue
            if until <= now:
                turn.set_exception(
                    Overloaded(f"{self._places} {self._what} are in progress; try again later")
                )
            else:
                left.append((places, until, turn))
                if self._timer is None and until != _FOREVER:
                    self._timer = loop.call_at(max(until, now + _STEP_SECONDS), self._refuse)
        self._waiting = left
        self.leave(0)
