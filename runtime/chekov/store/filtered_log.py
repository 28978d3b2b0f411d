"""Reading what matches a filter: from the tail near the head of the log, by queries far below."""

from chekov.domain.event_filter import EventFilter
from chekov.store.page_size import PageSize
from chekov.store.port import Found, Store


class FilteredPages:
    """What matches a filter in the part of the log that was there before, page by page."""

    def __init__(self, store: Store, filter: EventFilter) -> None:
        self._store = store
        self._filter = filter
        self._size = PageSize()

    async def after(self, position: int, until: int) -> Found:
        """The next events above a position, up to `until`, where the log ended or ends.

        It is read again if the page may show what was erased meanwhile.

        Raises:
            StoreUnavailable: the database is away.
        """
        drops = self._store.tail.drops
        while True:
            before, limit = drops.value, self._size.limit
            page = await self._store.read_page(after=position, limit=limit, filter=self._filter)
            if before != drops.value:
                continue
            self._size.learn(page, limit)
            found = [event for event in page if event.position <= until]
            return Found(found, found[-1].position if len(found) == limit else until)


class FilteredLog:
    """The events of a store that match a filter, from a position on."""

    def __init__(self, store: Store, filter: EventFilter) -> None:
        self._store = store
        self._filter = filter
        self._pages = FilteredPages(store, filter)

    async def after(self, position: int) -> Found:
        """The next events above a position; `through` is the position itself at the head.

        Raises:
            StoreUnavailable: the database is away.
        """
        events = await self._store.tail.after(position)
        if events is None:
            return await self._pages.after(position, self._store.tail.head.value)
        through = events[-1].position if events else position
        return Found([event for event in events if self._filter.matches(event)], through)
