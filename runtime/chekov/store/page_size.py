"""How many events to read at once, so that a page holds a few megabytes at most."""

from collections.abc import Sequence
from typing import Final

from chekov.store.port.event_store import RecordedEvent

MOST_EVENTS: Final = 1000
_FIRST_EVENTS: Final = 32
_PAGE_BYTES: Final = 4 * 1024 * 1024


class PageSize:
    """Adapts to the pages read last.

    Attributes:
        limit: how many events to ask for.
    """

    def __init__(self) -> None:
        self.limit = _FIRST_EVENTS

    def learn(self, page: Sequence[RecordedEvent], asked: int) -> None:
        """Adapt to a page that was read with the limit `asked`."""
        size = size_of(page)
        if size > _PAGE_BYTES:
            self.limit = max(1, len(page) * _PAGE_BYTES // size)
        elif size * 2 < _PAGE_BYTES and len(page) >= asked:
            self.limit = min(MOST_EVENTS, self.limit * 2)


def size_of(events: Sequence[RecordedEvent]) -> int:
    """Return the bytes of the payloads."""
    return sum([len(event.data) for event in events])
