"""Checking accepted conditions again: a proof in production that decisions did not miss events."""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from typing import Final, NamedTuple

from chekov.errors import StoreError
from chekov.store.port import Appended, EventStore, NoneSince

MOST_CHECKED: Final = 50
"""Conditions checked again each second: each costs the database about a fifth of a millisecond."""

_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class _Accepted(NamedTuple):
    condition: NoneSince
    appended: Appended


class ConditionChecks:
    """Checks the newest conditions of this process again, once their events are stored.

    An event in scope between a condition's position and the events that it was for would mean that
    the store accepted what it should have refused. `chekov verify` checks every condition.

    Attributes:
        checked: how many were checked.
        violations: how many of them had not held.

    Args:
        events: of the store.
    """

    def __init__(self, events: EventStore) -> None:
        self._events = events
        self._waiting: deque[_Accepted] = deque(maxlen=MOST_CHECKED)
        self.checked = self.violations = 0

    def accepted(self, condition: NoneSince, appended: Appended) -> None:
        """Note an append whose condition was accepted."""
        self._waiting.append(_Accepted(condition, appended))

    async def run(self) -> None:
        """Check what was accepted each second."""
        while True:
            await asyncio.sleep(_SECONDS)
            await self.check()

    async def check(self) -> None:
        """Check what was accepted since the last time."""
        waiting = list(self._waiting)
        self._waiting.clear()
        # One whose log is gone is about nothing, and the store may be away.
        with suppress(StoreError):
            for each in waiting:
                violated = await self._is_violated(*each)
                self.checked += 1
                self.violations += violated

    async def _is_violated(self, condition: NoneSince, appended: Appended) -> bool:
        scope, after, anchor = condition
        found = await self._events.read_scope(scope, after=after, anchor=anchor, limit=1)
        first = appended.recorded[0]
        if not found.events or found.events[0].position >= first.position:
            return False
        stored = await self._events.read_page(after=first.position - 1, limit=1)
        if not stored or stored[0].id != first.id:
            return False
        _log.error(
            "a condition was accepted and did not hold: run `chekov verify`",
            extra={
                "stream": appended.stream,
                "position": first.position,
                "after": after,
                "met": found.events[0].position,
            },
        )
        return True
