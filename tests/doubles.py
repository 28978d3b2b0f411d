"""Test doubles of the store in memory."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from chekov.store.memory import MemoryStore
from chekov.store.memory.event_store import MemoryEventStore
from chekov.store.port import Appended, Expected, NewEvent, NoneSince


class OwnEvents(MemoryEventStore, MemoryStore):
    """A memory store that is its own role `events`, so that a test can override its methods."""

    def __init__(self) -> None:
        MemoryStore.__init__(self)
        MemoryEventStore.__init__(self, self.log)
        self.events = self

    async def before_append(self, stream: str) -> None:
        """Called when an append begins; it may wait, or append something else."""

    async def after_append(self) -> None:
        """Called when an append is done, before it is answered."""

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: int = Expected.ANY,
        command_id: UUID | None = None,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> Appended:
        await self.before_append(stream)
        appended = await self.append_at_once(
            stream,
            events,
            expected=expected,
            command_id=command_id,
            condition=condition,
            unchanged=unchanged,
        )
        await self.after_append()
        return appended

    append_at_once = MemoryEventStore.append
