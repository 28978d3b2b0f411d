"""The stored events: a list of all of them, and one per stream."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID

from chekov.domain.scope import Scope, is_hashed
from chekov.store.links import resolved, target
from chekov.store.port import ConditionAhead, Direction, NewEvent, RecordedEvent, StreamInfo
from chekov.store.validation import ERASED, LINK


class History:
    """Events by position and by stream. It checks nothing: the callers do.

    Attributes:
        ids: of all events.
        deleted: names of deleted streams.
        on_erased: is called with the position of each event that is erased.
    """

    def __init__(self) -> None:
        self._all: list[RecordedEvent] = []
        self._streams: dict[str, list[RecordedEvent]] = {}
        self._tags: dict[int, set[str]] = {}
        self._hashed: defaultdict[UUID, list[tuple[int, str]]] = defaultdict(list)
        self._first: dict[str, int] = {}
        self._created: dict[str, datetime] = {}
        self.ids: set[UUID] = set()
        self.deleted: set[str] = set()
        self.on_erased: Callable[[int], None] = lambda _: None

    @property
    def head(self) -> int:
        return len(self._all)

    def at(self, position: int) -> RecordedEvent | None:
        """The event at a position."""
        return self._all[position - 1] if 0 < position <= len(self._all) else None

    def types(self) -> set[str]:
        """The names of all events."""
        return {event.type for event in self._all}

    def version(self, stream: str) -> int:
        """A stream's version, including its deletion; 0 when it does not exist."""
        events = self._streams.get(stream)
        return events[-1].version if events else 0

    def info(self, stream: str) -> StreamInfo:
        return StreamInfo(
            stream, self.version(stream), self._created[stream], self._first.get(stream, 1)
        )

    def names(self) -> list[str]:
        """The streams that can be read, in order."""
        return sorted(self._streams.keys() - self.deleted)

    def is_caused_by(self, command: UUID) -> bool:
        """Whether an event of a command is stored."""
        return any(event.causation_id == command for event in self._all)

    def add(
        self, stream: str, events: Sequence[NewEvent], now: datetime
    ) -> Sequence[RecordedEvent]:
        """Append events to a stream."""
        position = len(self._all)
        version = self.version(stream)
        recorded = [
            RecordedEvent(position + n, stream, version + n, *event[:6], event.time or now)
            for n, event in enumerate(events, 1)
        ]
        for at, event in enumerate(events, position + 1):
            self._tags[at] = set(event.tags)
            if event.tag_key is not None:
                self._hashed[event.tag_key] += [(at, tag) for tag in event.tags if is_hashed(tag)]
        self._created.setdefault(stream, recorded[0].time)
        self._streams.setdefault(stream, []).extend(recorded)
        self._all.extend(recorded)
        self.ids.update(event.id for event in events)
        return recorded

    def truncate(self, stream: str, before: int) -> None:
        """Let a stream begin at the version `before`."""
        self._first[stream] = max(self._first.get(stream, 1), before)

    def erase(self, stream: str, before: int) -> None:
        """Remove the content of events below a version; a stream without events is removed."""
        kept: list[RecordedEvent] = []
        for event in self._streams[stream]:
            if event.version >= before:
                kept.append(event)
                continue
            at = event.position
            del self._tags[at]
            self.on_erased(at)
            self._all[at - 1] = event._replace(
                stream=ERASED,
                version=at,
                type=ERASED,
                data=b"{}",
                metadata=None,
                correlation_id=None,
                causation_id=None,
            )
        self._streams[stream] = kept
        if not kept:
            del self._streams[stream], self._created[stream]
            self._first.pop(stream, None)
            self.deleted.discard(stream)

    def stream_page(
        self,
        stream: str,
        after: int,
        limit: int,
        direction: Direction,
        until: int | datetime | None,
    ) -> Sequence[RecordedEvent]:
        """One page of a stream, its links resolved."""
        if stream in self.deleted:
            return ()
        first = self._first.get(stream, 1)
        found = [
            event
            for event in self._streams.get(stream, ())
            if event.version >= first and _is_within(event, until)
        ]
        page = _slice(found, lambda event: event.version, after, limit, direction)
        return [self._resolved(event) for event in page]

    def page(
        self,
        after: int,
        limit: int,
        direction: Direction,
        matches: Callable[[RecordedEvent], bool] | None,
    ) -> Sequence[RecordedEvent]:
        """One page of the events that match."""
        if matches is None and direction == "forward":
            start = max(after, 0)
            return self._all[start : start + max(limit, 0)]
        found = self._all if matches is None else [e for e in self._all if matches(e)]
        return _slice(found, lambda event: event.position, after, limit, direction)

    def remove_hashed_tags(self, keys: Collection[UUID]) -> None:
        """Remove the tags that go with keys."""
        for key in keys:
            for at, tag in self._hashed.pop(key, ()):
                self._tags.get(at, set()).discard(tag)

    def add_tags(self, position: int, type_: str, tags: Collection[str], key: UUID | None) -> None:
        """Add tags to an event, if it was not erased."""
        event = self.at(position)
        if event is None or event.type != type_:
            return
        self._tags[position].update(tags)
        if key is not None:
            self._hashed[key] += [(position, tag) for tag in tags if is_hashed(tag)]

    def in_scope(self, scope: Scope, after: int, limit: int) -> Sequence[RecordedEvent]:
        """The next events in a scope above a position."""
        found = (
            event
            for event in islice(self._all, max(after, 0), None)
            if scope.matches(event.type, self._tags.get(event.position, ()))
        )
        return list(islice(found, limit))

    def check_anchor(self, position: int, anchor: UUID | None) -> None:
        """Check that the log reaches a position, and has the event of this id there.

        Raises:
            ConditionAhead: it does not, or has another one.
        """
        event = self.at(position)
        known = None if event is None else event.id
        if position > self.head or anchor not in (None, known):
            raise ConditionAhead(position, self.head)

    def _resolved(self, event: RecordedEvent) -> RecordedEvent:
        if event.type != LINK:
            return event
        return resolved(event, self._all[target(event) - 1])


def _is_within(event: RecordedEvent, until: int | datetime | None) -> bool:
    if isinstance(until, datetime):
        return event.time <= until
    return until is None or event.version <= until


def _slice(
    events: Sequence[RecordedEvent],
    number: Callable[[RecordedEvent], int],
    after: int,
    limit: int,
    direction: Direction,
) -> Sequence[RecordedEvent]:
    if limit <= 0:
        return ()
    if direction == "forward":
        return [event for event in events if number(event) > after][:limit]
    below = [event for event in events if after <= 0 or number(event) < after]
    return below[::-1][:limit]
