"""The tail of the store: one reader a process, from which every live subscription takes."""

import asyncio
import logging
from collections.abc import Sequence

from chekov.engine.observer import Observer
from chekov.errors import StoreUnavailable
from chekov.store.port import EventStore, RecordedEvent

KEEP = 4096
PAGE = 1000
POLL_SECONDS = 1.0
_PAUSE = 0.2

_log = logging.getLogger(__name__)


class Feed:
    """Follows the store and keeps its newest events at hand, without a gap among them.

    Attributes:
        head: the newest position known here.
    """

    def __init__(self, store: EventStore, observer: Observer) -> None:
        self._store = store
        self._observer = observer
        self._events: list[RecordedEvent] = []
        self._moved = asyncio.Event()
        self.head = 0

    async def run(self) -> None:
        """Follow until cancelled."""
        self.head = await self._first_head()
        self.wake()
        while True:
            try:
                await self._follow()
            except StoreUnavailable as error:
                _log.warning("the tail waits for the store", extra={"error": str(error)})
                await asyncio.sleep(_PAUSE)

    def after(self, position: int, limit: int) -> Sequence[RecordedEvent] | None:
        """Events right above `position`; `None` when they are no longer, or not yet, at hand."""
        if position >= self.head:
            return ()
        events = self._events
        if not events or position + 1 < events[0].position:
            return None
        start = position + 1 - events[0].position
        return events[start : start + limit]

    async def beyond(self, position: int, wait_for: float) -> None:
        """Return when the head may be above `position`, or after `wait_for` seconds."""
        if self.head > position:
            return
        try:
            async with asyncio.timeout(wait_for):
                await self._moved.wait()
        except TimeoutError:
            return

    def wake(self) -> None:
        """Let everyone who waits look again."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def _first_head(self) -> int:
        while True:
            try:
                return await self._store.head()
            except StoreUnavailable:
                await asyncio.sleep(_PAUSE)

    async def _follow(self) -> None:
        events = await self._store.changed(self.head, POLL_SECONDS)
        if not events or events[0].position != self.head + 1:
            events = await self._store.read_page(after=self.head, limit=PAGE)
        if not events:
            return
        self._take(events)
        self.wake()

    def _take(self, events: Sequence[RecordedEvent]) -> None:
        expected = self.head + 1
        for event in events:
            if event.position != expected:
                self._observer.missing("feed", event.position - expected)
                self._events.clear()
            self._events.append(event)
            expected = event.position + 1
        self.head = expected - 1
        if len(self._events) > 2 * KEEP:
            del self._events[:-KEEP]
