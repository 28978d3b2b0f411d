"""The tail of the store: one reader a process, from which every live subscription takes."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from chekov.engine.observer import Observer
from chekov.engine.subscriptions.page_reader import PageReader, Start, size_of
from chekov.errors import StoreUnavailable
from chekov.store.port import EventStore, RecordedEvent

KEEP_EVENTS: Final = 4096
KEEP_BYTES: Final = 16 * 1024 * 1024
_POLL_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.2

_log = logging.getLogger(__name__)


class Feed:
    """Follows the store and keeps its newest events at hand, without a gap among them.

    Attributes:
        head: the newest position known here; right once `started` has returned.
    """

    def __init__(self, store: EventStore, observer: Observer) -> None:
        self._store = store
        self._observer = observer
        self._pages = PageReader(store)
        self._events: list[RecordedEvent] = []
        self._bytes = 0
        self._drops = 0
        self._moved = asyncio.Event()
        self._started = asyncio.Event()
        self.head = 0

    async def run(self, start: Start) -> None:
        """Follow until cancelled; pages are read ahead by tasks that `start` starts."""
        self._pages.read_ahead(start)
        while True:
            try:
                if not self._started.is_set():
                    self.head = await self._store.head()
                    self._started.set()
                await self._follow()
            except StoreUnavailable as error:
                _log.warning("the tail waits for the store", extra={"error": str(error)})
                await asyncio.sleep(_PAUSE_SECONDS)

    async def started(self) -> None:
        """Return when `head` is known."""
        await self._started.wait()

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
        if self.head > position or wait_for <= 0:
            return
        try:
            async with asyncio.timeout(wait_for):
                await self._moved.wait()
        except TimeoutError:
            return

    def drop(self) -> None:
        """Have no event at hand; they can be read again."""
        self._drops += 1
        self._pages.close()
        self._events.clear()
        self._bytes = 0

    def wake(self) -> None:
        """Let everyone who waits look again."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def _follow(self) -> None:
        drops = self._drops
        events = await self._store.changed(self.head, _POLL_SECONDS)
        if not events or events[0].position != self.head + 1:
            events = await self._pages.after(self.head)
        # What was read before a drop is as it was before it: it is read again.
        if events and drops == self._drops:
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
        self._bytes += size_of(events)
        if len(self._events) > 2 * KEEP_EVENTS or self._bytes > 2 * KEEP_BYTES:
            self._forget()

    def _forget(self) -> None:
        """Make room, but keep the newest event: the next one must be seen to follow it."""
        del self._events[:-KEEP_EVENTS]
        self._bytes = size_of(self._events)
        while self._bytes > KEEP_BYTES and len(self._events) > 1:
            del self._events[: (len(self._events) + 1) // 2]
            self._bytes = size_of(self._events)
