"""Test doubles of the store in memory."""

from chekov.store.memory import MemoryStore
from chekov.store.memory.event_store import MemoryEventStore


class OwnEvents(MemoryEventStore, MemoryStore):
    """A memory store that is its own role `events`, so that a test can override its methods."""

    def __init__(self) -> None:
        MemoryStore.__init__(self)
        MemoryEventStore.__init__(self, self.log)
        self.events = self
