"""The role of a store that appends and reads events.

A position numbers every event of a store from 1, without gaps and in commit order. A version
numbers the events of one stream from 1, without gaps. Payloads and metadata are bytes here; the
codec gives them their types.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Literal, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from chekov.domain.event_filter import EVERYTHING, EventFilter
from chekov.domain.scope import Scope
from chekov.store.port.conditions import NoneSince


class Expected(IntEnum):
    """What an append may expect of its stream, besides an exact version."""

    ANY = -1
    STREAM_EXISTS = -2
    NO_STREAM = 0


ExpectedVersion: TypeAlias = int
"""A version from 0 up (0 is the same as `NO_STREAM`), or `Expected.ANY` or `STREAM_EXISTS`."""


class NewEvent(NamedTuple):
    """An event to append."""

    id: UUID
    type: str
    data: bytes
    """A JSON object in UTF-8, which starts with `{`; or any other bytes, stored as such."""
    metadata: bytes | None = None
    """A JSON object in UTF-8; `None` for the empty object."""
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    time: datetime | None = None
    """When it happened, with a zone; `None` for the time of the store's clock."""
    tags: Collection[str] = ()
    """By which scopes find it, such as `course_id:7`."""
    tag_key: UUID | None = None
    """The key whose deletion removes those of the tags that are hashes of personal values."""


class RecordedEvent(NamedTuple):
    """An event as it is stored."""

    position: int
    stream: str
    version: int
    id: UUID
    type: str
    data: bytes
    metadata: bytes | None
    correlation_id: UUID | None
    causation_id: UUID | None
    time: datetime


class Appended(NamedTuple):
    """The position and version of the last event of an append."""

    stream: str
    version: int
    position: int
    recorded: Sequence[RecordedEvent]
    """The events of the append as they are stored, in order."""


class StreamAppend(NamedTuple):
    """One of several appends that are stored together."""

    stream: str
    events: Sequence[NewEvent]
    expected: ExpectedVersion = Expected.ANY


class Found(NamedTuple):
    """The next events that match, and the position up to which there are no others."""

    events: Sequence[RecordedEvent]
    through: int
    anchor: UUID | None = None
    """The id of the event at that position; `None` if there is none."""


Direction: TypeAlias = Literal["forward", "backward"]


class EventStore(Protocol):
    """Appends events to streams, reads them, and waits for more.

    Any call may raise `StoreUnavailable` while the database is away and `StoreClosed` after
    closing.
    """

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
        """Store all of `events` at the end of `stream`, or none of them.

        An append that returned is durable. One that was cancelled may or may not be stored.

        Args:
            stream: its name; names that start with `$` are the store's own.
            events: one or more, in order.
            expected: the version the stream must be at, or a member of `Expected`.
            command_id: the command that caused the events; refused when other events of it are
                stored already.
            condition: nothing in its scope was stored since its position. It is kept in the first
                event's metadata, under `$condition`, with `unchanged`.
            unchanged: other streams, and the versions they must be at; 0 for one that does not
                exist.

        Raises:
            ConditionFailed: an event in the scope of `condition` was stored.
            ConditionAhead: the log does not reach the position of `condition`, or has another event
                there than its anchor.
            WrongExpectedVersion: the stream, or one of `unchanged`, is at another version.
            StreamExists: `NO_STREAM` was expected, and the stream exists.
            StreamNotFound: `STREAM_EXISTS` was expected, and the stream does not exist.
            StreamDeleted: the stream was deleted.
            DuplicateEvent: one of the ids is stored already.
            DuplicateCommand: events of the command `command_id` are stored already.
            InvalidAppend: there are no events, or a name or payload cannot be stored, or the
                condition cannot be checked.
        """
        ...

    async def append_together(
        self,
        appends: Sequence[StreamAppend],
        *,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> Sequence[Appended]:
        """Store appends to several streams, each named once: all of them or none.

        The conditions are those of `append`, for all of them together.

        Raises:
            StoreError: as `append`, of the first append that cannot be stored.
        """
        ...

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        until: int | datetime | None = None,
    ) -> Sequence[RecordedEvent]:
        """One page of a stream: forward, versions above `after`; backward, versions below it.

        Backward from 0 starts at the end. A stream that does not exist, or was deleted, has no
        events. `until` excludes events above a version or later than a time. A link appears as
        the linked event, with the stream and version of the link.
        """
        ...

    async def read_page(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        filter: EventFilter = EVERYTHING,
    ) -> Sequence[RecordedEvent]:
        """One page of the log: forward, positions above `after`; backward, positions below it.

        Backward from 0 starts at the end. Links are returned as they are stored.

        Args:
            after: the last position of the previous page.
            limit: at most this many events; a page never has more than 10,000.
            direction: in which order.
            filter: only events that match it.
        """
        ...

    async def read_scope(
        self, scope: Scope, *, after: int = 0, anchor: UUID | None = None, limit: int = 1000
    ) -> Found:
        """The next events in a scope, in the order of the log, and how far it was looked through.

        What is decided by all events of a scope is appended with the last `through` as the position
        of its condition, and the last `anchor` as its anchor. Links are not in a scope.

        Args:
            scope: which events.
            after: the position to read on from.
            anchor: of the page before, if there was one.
            limit: at most this many events; a page never has more than 10,000. With fewer, nothing
                else in scope was stored when it was read.

        Raises:
            InvalidAppend: the scope cannot be looked for.
            ConditionAhead: with an anchor, the log does not reach `after`, or has another event
                there.
        """
        ...

    def read_all(self, *, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """Every event above a position, page after page, up to the end of the log."""
        ...

    async def head(self) -> int:
        """The position of the last event; 0 when there is none."""
        ...

    async def types(self) -> Collection[str]:
        """The names of all events in the log, those of the store's own included."""
        ...
