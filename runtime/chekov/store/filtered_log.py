"""Reading what matches a filter: from the tail near the head of the log, by queries far below."""

from chekov.domain.event_filter import EventFilter
from chekov.store.page_size import PageSize
from chekov.store.port import Found, Store


class FilteredLog:
    """The events of a store that match a filter, from a position on."""

    def __init__(self, store: Store, filter: EventFilter) -> None:
        self._store = store
        self._filter = filter
        self._size = PageSize()

    async def after(self, position: int) -> Found:
        """The next events above a position; `through` is the position itself at the head.

        Raises:
            StoreUnavailable: the database is away.
        """
        events = await self._store.tail.after(position)
        if events is None:
            return await self._page(position)
        through = events[-1].position if events else position
        return Found([event for event in events if self._filter.matches(event)], through)

    async def _page(self, position: int) -> Found:
        head = self._store.tail.head.value
        limit = self._size.limit
        page = await self._store.read_page(after=position, limit=limit, filter=self._filter)
        self._size.learn(page, limit)
        if len(page) == limit:
            return Found(page, page[-1].position)
        # The store has nothing else that matches up to what was its head before the page.
        return Found(page, max(head, page[-1].position if page else position))
