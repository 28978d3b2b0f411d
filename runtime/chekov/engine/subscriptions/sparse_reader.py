"""Reading by filter, for a subscription far below the head that wants little of the log."""

from dataclasses import replace
from typing import Final

from chekov.domain.event_filter import EventFilter
from chekov.engine.subscriptions.invocation import Invocation
from chekov.store.filtered_log import FilteredPages
from chekov.store.port import Found, Store

_FAR: Final = 10_000
"""Positions below the head from which on to try: nearer, a few pages that all share do."""

_RARE: Final = 10
"""Of so many events one may be wanted at most: else to share pages with others costs less."""

_RETRY_POSITIONS: Final = 100_000
"""After how many positions to try again where much was wanted."""

_MOST_NAMES: Final = 1000


class SparseReader:
    """Reads what one subscription may want, by an index of the store, as long as that is little.

    It reads up to where the log ended when it began, with the names of events that were stored
    then, unknown revisions among them. So what is stored meanwhile, under whichever name, lies
    beyond, and is read like everything near the head.
    """

    def __init__(self, store: Store, invocation: Invocation) -> None:
        self._store = store
        self._invocation = invocation
        self._pages: FilteredPages | None = None
        self._until = 0
        self._try_from = 0

    async def after(self, position: int) -> Found | None:
        """Return what may be wanted above a position; `None` if pages of the log are to be read.

        Raises:
            StoreUnavailable: the database is away.
        """
        if self._pages is None or position >= self._until:
            self._pages = None
            if position < max(self._try_from, 0) or self._store.tail.head.value - position < _FAR:
                return None
            filter = await self._begin(position)
            if filter is None:
                return None
            self._pages = FilteredPages(self._store, filter)
        found = await self._pages.after(position, self._until)
        if found.through < self._until:
            if found.through - position < len(found.events) * _RARE:
                self._give_up(found.through)
            return found
        # All that was stored below must still be: a server that lost some of it shows less.
        if not await self._store.read_page(after=self._until - 1, limit=1):
            self._give_up(position)
            return None
        return found

    async def _begin(self, position: int) -> EventFilter | None:
        """Choose what to read, and up to where; `None` if too much is wanted."""
        self._until = await self._store.head()
        names = await self._store.types()
        wanted = frozenset(name for name in names if self._invocation.routes.wants(name))
        if len(names) > _MOST_NAMES or len(wanted) == len(names):
            self._give_up(position)
            return None
        filter = self._invocation.definition.filter
        if filter.category is not None or filter.prefix is not None:
            return filter  # its index is the one to use: among names, streams are not ordered
        return replace(filter, types=wanted if filter.types is None else wanted & filter.types)

    def _give_up(self, position: int) -> None:
        self._pages = None
        self._try_from = position + _RETRY_POSITIONS
