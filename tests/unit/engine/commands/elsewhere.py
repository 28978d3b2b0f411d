"""A store in memory as another process sees it: it hears of events, and has to read them."""

from collections.abc import Awaitable, Callable, Sequence

from chekov import MemoryStore
from chekov.store.memory.event_store import MemoryEventStore
from chekov.store.page_size import MOST_EVENTS
from chekov.store.port import RecordedEvent
from chekov.store.tail import Tail

Read = Callable[[int, int], Awaitable[Sequence[RecordedEvent]]]


class FaultyTail(Tail):
    """Fails when it is told to.

    Attributes:
        too_far: let the next reader be too far below the head.
        errors: raise these first.
    """

    def __init__(self, read: Read) -> None:
        super().__init__(read)
        self.too_far = False
        self.errors: list[Exception] = []

    async def after(
        self, position: int, limit: int = MOST_EVENTS
    ) -> Sequence[RecordedEvent] | None:
        if self.errors:
            raise self.errors.pop()
        if self.too_far:
            self.too_far = False
            return None
        return await super().after(position, limit)


class Elsewhere(MemoryEventStore, MemoryStore):
    """Another process's view of a store in memory; what it appends is heard of like the rest."""

    tail: FaultyTail

    def __init__(self, store: MemoryStore) -> None:
        MemoryStore.__init__(self)
        MemoryEventStore.__init__(self, store.log)
        self.events = self
        self.streams, self.snapshots, self.keys = store.streams, store.snapshots, store.keys
        self.log = store.log
        self.tail = tail = FaultyTail(
            lambda after, limit: store.read_page(after=after, limit=limit)
        )
        tail.reset(store.tail.head.value)
        store.tail.followers.append(self)

    position = None

    def pushed(self, recorded: Sequence[RecordedEvent]) -> None:
        self.tail.heard(recorded[-1].position)

    def learned(self, recorded: Sequence[RecordedEvent]) -> None:
        self.pushed(recorded)
