"""The role `events` in memory."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chekov.domain.event_filter import EVERYTHING, EventFilter
from chekov.domain.scope import Scope
from chekov.store.conditions import keeping, keeping_together
from chekov.store.memory.log import Log
from chekov.store.port import (
    Appended,
    Direction,
    Expected,
    ExpectedVersion,
    Found,
    NewEvent,
    NoneSince,
    RecordedEvent,
    StreamAppend,
)
from chekov.store.validation import (
    LARGEST_PAGE,
    check_append,
    check_conditions,
    check_expected,
    check_scope,
    check_together,
)


class MemoryEventStore:
    """Checks appends, and stores and reads events in a `Log`."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: ExpectedVersion = Expected.ANY,
        command_id: UUID | None = None,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> Appended:
        """Store all of `events` at the end of `stream`, or none."""
        check_conditions(condition, unchanged)
        events = keeping(events, condition, unchanged)
        check_append(stream, events, expected)
        check_expected(stream, expected)
        [appended] = self._log.append(
            [StreamAppend(stream, events, expected)], command_id, condition, unchanged
        )
        return appended

    async def append_together(
        self,
        appends: Sequence[StreamAppend],
        *,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> Sequence[Appended]:
        """Store appends to several streams: all of them or none."""
        check_conditions(condition, unchanged)
        appends = keeping_together(appends, condition, unchanged)
        check_together(appends)
        for append in appends:
            check_expected(append.stream, append.expected)
        return self._log.append(appends, None, condition, unchanged)

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        until: int | datetime | None = None,
    ) -> Sequence[RecordedEvent]:
        """One page of a stream."""
        self._log.check_open()
        return self._log.history.stream_page(
            stream, after, min(limit, LARGEST_PAGE), direction, until
        )

    async def read_page(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        filter: EventFilter = EVERYTHING,
    ) -> Sequence[RecordedEvent]:
        """One page of the log."""
        self._log.check_open()
        matches = None if filter.is_open else filter.matches
        return self._log.history.page(after, min(limit, LARGEST_PAGE), direction, matches)

    async def read_scope(
        self, scope: Scope, *, after: int = 0, anchor: UUID | None = None, limit: int = 1000
    ) -> Found:
        """The next events in a scope, and how far it was looked through."""
        self._log.check_open()
        check_scope(scope)
        history, wanted = self._log.history, max(min(limit, LARGEST_PAGE), 0)
        if anchor is not None:
            history.check_anchor(after, anchor)
        found = history.in_scope(scope, after, wanted)
        full = len(found) == wanted
        through = (found[-1].position if found else after) if full else max(history.head, after)
        last = history.at(through)
        return Found(found, through, None if last is None else last.id)

    async def read_all(self, *, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """Every event above a position, up to the end of the log."""
        position = after
        while page := await self.read_page(after=position):
            for event in page:
                yield event
            position = page[-1].position

    async def head(self) -> int:
        """The position of the last event."""
        self._log.check_open()
        return self._log.history.head

    async def types(self) -> Collection[str]:
        """The names of all events in the log."""
        self._log.check_open()
        return self._log.history.types()
