"""All of the store in memory, opened and closed together."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

from chekov.store.memory.events import MemoryEvents
from chekov.store.memory.keys import MemoryKeys
from chekov.store.memory.snapshots import MemorySnapshots
from chekov.store.memory.subscriptions import MemorySubscriptions


def _utc_now() -> datetime:
    return datetime.now(UTC)


class MemoryStore(MemoryEvents, MemorySubscriptions, MemorySnapshots, MemoryKeys):
    """Everything a store does except giving database connections, without a database.

    It keeps its content while it is closed, so a test can stop a runtime and start another.

    Args:
        clock: tells the time of events and leases; must return a time with a zone.
    """

    def __init__(self, *, clock: Callable[[], datetime] = _utc_now) -> None:
        MemoryEvents.__init__(self, clock)
        MemorySubscriptions.__init__(self, clock, lambda: self._history.head)
        MemorySnapshots.__init__(self, self._history)
        MemoryKeys.__init__(self)

    async def __aenter__(self) -> Self:
        self._entered += 1
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._entered -= 1
        if not self._entered:
            self._wake()
