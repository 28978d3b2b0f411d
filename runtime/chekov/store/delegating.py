"""An event store that delegates to another: the public face of every store, and of wrappers."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from types import CoroutineType
from typing import Any
from uuid import UUID

from chekov.domain.event_filter import EVERYTHING, EventFilter
from chekov.domain.scope import Scope
from chekov.store.port import (
    Appended,
    Direction,
    EventStore,
    Expected,
    ExpectedVersion,
    Found,
    NewEvent,
    NoneSince,
    RecordedEvent,
    StreamAppend,
)


class DelegatingEventStore:
    """Delegates every method to `events`, without a coroutine of its own.

    Attributes:
        events: appends and reads events.
    """

    events: EventStore

    def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: ExpectedVersion = Expected.ANY,
        command_id: UUID | None = None,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> "CoroutineType[Any, Any, Appended]":
        """See `EventStore.append`."""
        return self.events.append(
            stream,
            events,
            expected=expected,
            command_id=command_id,
            condition=condition,
            unchanged=unchanged,
        )

    def append_together(
        self,
        appends: Sequence[StreamAppend],
        *,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> "CoroutineType[Any, Any, Sequence[Appended]]":
        """See `EventStore.append_together`."""
        return self.events.append_together(appends, condition=condition, unchanged=unchanged)

    def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        until: int | datetime | None = None,
    ) -> "CoroutineType[Any, Any, Sequence[RecordedEvent]]":
        """See `EventStore.read_stream`."""
        return self.events.read_stream(
            stream, after=after, limit=limit, direction=direction, until=until
        )

    def read_page(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        filter: EventFilter = EVERYTHING,
    ) -> "CoroutineType[Any, Any, Sequence[RecordedEvent]]":
        """See `EventStore.read_page`."""
        return self.events.read_page(after=after, limit=limit, direction=direction, filter=filter)

    def read_scope(
        self, scope: Scope, *, after: int = 0, anchor: UUID | None = None, limit: int = 1000
    ) -> "CoroutineType[Any, Any, Found]":
        """See `EventStore.read_scope`."""
        return self.events.read_scope(scope, after=after, anchor=anchor, limit=limit)

    def read_all(self, *, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """See `EventStore.read_all`."""
        return self.events.read_all(after=after)

    def head(self) -> "CoroutineType[Any, Any, int]":
        """See `EventStore.head`."""
        return self.events.head()

    def types(self) -> "CoroutineType[Any, Any, Collection[str]]":
        """See `EventStore.types`."""
        return self.events.types()
