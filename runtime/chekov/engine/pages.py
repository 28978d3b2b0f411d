"""Reading everything after a position, in pages that fit into memory."""

from collections.abc import Sequence
from typing import Final

from chekov.store.port import EventStore, RecordedEvent

MOST_EVENTS: Final = 1000
_FIRST_EVENTS: Final = 250
_ENOUGH_BYTES: Final = 4 * 1024 * 1024


class Pages:
    """Reads pages for one reader: as many events as a few megabytes hold, by those read last."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._limit = _FIRST_EVENTS

    async def after(self, position: int) -> Sequence[RecordedEvent]:
        """The events right above `position`; none means that there are no more."""
        page = await self._store.read_page(after=position, limit=self._limit)
        size = size_of(page)
        if size > _ENOUGH_BYTES:
            self._limit = max(1, len(page) * _ENOUGH_BYTES // size)
        elif size * 2 < _ENOUGH_BYTES and len(page) == self._limit:
            self._limit = min(MOST_EVENTS, self._limit * 2)
        return page


def size_of(events: Sequence[RecordedEvent]) -> int:
    """Bytes of the payloads."""
    return sum([len(event.data) for event in events])
