"""One subscription reading the log: from the tail near the head, page by page far below it."""

import asyncio
from collections.abc import Sequence

from chekov.engine.subscriptions.page_cache import Page, PageCache
from chekov.store.port import RecordedEvent
from chekov.store.tail import REACH, Tail


class PageReader:
    """Reads what all subscriptions share, and has the next page read while one is handled.

    It holds on to the page read ahead: many readers at different places would otherwise push each
    other's out of the cache.

    Attributes:
        far: whether the events read last came from a page, far below the head.
    """

    def __init__(self, cache: PageCache, tail: Tail) -> None:
        self._cache = cache
        self._tail = tail
        self._ahead: Page | None = None
        self.far = False

    async def after(self, position: int) -> Sequence[RecordedEvent]:
        """Return events right above `position`; none at the head of the log.

        Raises:
            StoreUnavailable: the database is away.
        """
        events = await self._tail.after(position)
        if events is not None:
            self.close()
            return events
        self.far = True
        self._cache.enter(self, position)
        page = await self._page(position)
        if page.error is not None:
            self._cache.discard(page)
            raise page.error
        if not page.whole:
            # Positions are missing, so it reaches beyond its end.
            self._cache.discard(page)
            return [event for event in page.events if event.position > position]
        if page.end < self._tail.head.value - REACH:
            self._ahead = self._cache.page(page.end)
            # Let it send its statement before the reader keeps the loop busy.
            await asyncio.sleep(0)
        return page.events[position - page.start :] if position > page.start else page.events

    def close(self) -> None:
        """Discard what was read ahead: no pages are needed for now."""
        if self.far:
            self.far = False
            self._ahead = None
            self._cache.leave(self)

    async def _page(self, position: int) -> Page:
        while True:
            page, self._ahead = self._ahead, None
            if page is None or not page.start <= position < page.end:
                page = self._cache.page(position)
            await page.done.wait()
            # What was read before a drop may show what was erased.
            if self._cache.is_current(page):
                return page
