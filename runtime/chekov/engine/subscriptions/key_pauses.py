"""Keys whose first parked event waits for its next attempt, while all other keys go on."""

import asyncio
from collections.abc import Collection
from typing import Final, NamedTuple

from chekov.engine.subscriptions.retry import Retries

SHORT_SECONDS: Final = 0.2
"""A pause up to here is waited out: to set the event aside and take it back costs as much."""

_MOST_KEYS: Final = 100
_MOST_IN_A_ROW: Final = 3
"""Events that fail one after the other, with none handled between: then the fault is not theirs."""


class _Pause(NamedTuple):
    due: float
    retries: Retries
    reason: str


class KeyPauses:
    """The keys of one subscription that pause, each until a time of the loop's clock."""

    def __init__(self) -> None:
        self._pauses: dict[str, _Pause] = {}
        self._in_a_row = 0

    def __len__(self) -> int:
        return len(self._pauses)

    def __contains__(self, key: str) -> bool:
        return key in self._pauses

    def may_begin(self, seconds: float) -> bool:
        """Whether another key may pause for so long.

        Not when events fail one after the other: what handles them is at fault then, and to go on
        would only fail more of them.
        """
        return (
            seconds > SHORT_SECONDS
            and len(self._pauses) < _MOST_KEYS
            and self._in_a_row < _MOST_IN_A_ROW
        )

    def begin(self, keys: Collection[str], retries: Retries, reason: str, seconds: float) -> None:
        """Let the keys of an event pause: for the first time, or again."""
        if self._pauses.keys().isdisjoint(keys):
            self._in_a_row += 1
        due = asyncio.get_running_loop().time() + seconds
        self._pauses |= dict.fromkeys(keys, _Pause(due, retries, reason))

    def follow(self, leader: str, keys: Collection[str]) -> None:
        """Let keys pause that wait for one that does."""
        self._pauses |= dict.fromkeys(keys, self._pauses[leader])

    def hasten(self, keys: Collection[str]) -> None:
        """End the pauses of these keys now; attempts are counted on."""
        now = asyncio.get_running_loop().time()
        for key in self._pauses.keys() & keys:
            self._pauses[key] = self._pauses[key]._replace(due=now)

    def succeeded(self) -> None:
        """Note that an event was handled."""
        self._in_a_row = 0

    def retries(self, key: str, position: int) -> Retries | None:
        """What decides about the event at `position`, if it is the one that the key waits for."""
        pause = self._pauses.get(key)
        return pause.retries if pause is not None and pause.retries.position == position else None

    @property
    def reason(self) -> str | None:
        """Why a key pauses; `None` when none pauses."""
        return next((pause.reason for pause in self._pauses.values()), None)

    @property
    def due(self) -> str | None:
        """A key whose pause is over."""
        if not self._pauses:
            return None
        now = asyncio.get_running_loop().time()
        return next((key for key, pause in self._pauses.items() if pause.due <= now), None)

    @property
    def seconds_until_due(self) -> float | None:
        """Seconds until the next pause is over; `None` when there is none."""
        if not self._pauses:
            return None
        first = min(pause.due for pause in self._pauses.values())
        return max(0.0, first - asyncio.get_running_loop().time())

    def end(self, keys: Collection[str]) -> None:
        """Note that these keys no longer pause."""
        for key in keys:
            self._pauses.pop(key, None)

    def keep(self, keys: Collection[str]) -> None:
        """End the pauses of all other keys."""
        self._pauses = {key: pause for key, pause in self._pauses.items() if key in keys}
