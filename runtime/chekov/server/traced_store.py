"""The store in Postgres with a span around each append."""

from collections.abc import Sequence
from uuid import UUID

from chekov.server.tracing import Tracing
from chekov.store.delegating import DelegatingEventStore
from chekov.store.port import Appended, EventStore, Expected, ExpectedVersion, NewEvent


class TracedEventStore(DelegatingEventStore):
    """Traces how long appends wait and commit, within their commands' spans."""

    def __init__(self, events: EventStore, tracing: Tracing) -> None:
        self.events = events
        self._tracing = tracing

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: ExpectedVersion = Expected.ANY,
        command_id: UUID | None = None,
    ) -> Appended:
        with self._tracing.append(stream, len(events)):
            return await self.events.append(
                stream, events, expected=expected, command_id=command_id
            )
