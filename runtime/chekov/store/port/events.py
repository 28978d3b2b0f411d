"""What the engine needs of a store: events appended, read and waited for.

A position numbers every event of a store from 1, without gaps and in commit order. A version
numbers the events of one stream from 1, without gaps. Payloads and metadata are bytes here; the
codec gives them their types.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Literal, NamedTuple, Protocol, TypeAlias
from uuid import UUID


class Expected(IntEnum):
    """What an append may ask of its stream besides an exact version."""

    ANY = -1
    STREAM_EXISTS = -2
    NO_STREAM = 0


ExpectedVersion: TypeAlias = int
"""A version from 0 up (0 is the same as `NO_STREAM`), or `Expected.ANY` or `STREAM_EXISTS`."""


class NewEvent(NamedTuple):
    """An event that is to be appended."""

    id: UUID
    type: str
    data: bytes
    """A JSON document, in UTF-8."""
    metadata: bytes | None = None
    """A JSON object, in UTF-8; `None` is the empty object."""
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    time: datetime | None = None
    """When it happened, with a zone; `None` takes the store's clock."""


class RecordedEvent(NamedTuple):
    """An event as the store keeps it."""

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
    """Where the last event of an append went."""

    stream: str
    version: int
    position: int
    recorded: Sequence[RecordedEvent]
    """The events of this append as they are stored, in order."""


class StreamInfo(NamedTuple):
    """A stream at a glance."""

    stream: str
    version: int
    created: datetime


Direction: TypeAlias = Literal["forward", "backward"]


class EventStore(Protocol):
    """Keeps events, and tells when there are more.

    Any call may raise `StoreUnavailable` while the database is away and `StoreClosed` after
    closing.
    """

    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion = Expected.ANY
    ) -> Appended:
        """Store all of `events` at the end of `stream`, or none.

        A returned append is durable. A cancelled one may or may not have been stored.

        Raises:
            WrongExpectedVersion: the stream is not where `expected` says.
            StreamNotFound: `STREAM_EXISTS` was expected and there is none.
            DuplicateEvent: one of the ids is stored already.
            InvalidAppend: no events, or a name or payload that cannot be stored.
        """
        ...

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
    ) -> Sequence[RecordedEvent]:
        """One page of a stream: forward, versions above `after`; backward, versions below it.

        Backward from 0 starts at the end. A stream that does not exist is an empty page.
        """
        ...

    async def read_page(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        types: Collection[str] | None = None,
        category: str | None = None,
    ) -> Sequence[RecordedEvent]:
        """One page of everything, by position; otherwise as `read_stream`.

        `types` keeps events of these stored names, `category` those of streams named
        `<category>-…`.
        """
        ...

    def read_all(self, *, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """Everything above a position, page after page, up to the end."""
        ...

    async def head(self) -> int:
        """The position of the last event; 0 when there is none."""
        ...

    async def stream_info(self, stream: str) -> StreamInfo:
        """A stream's version and age.

        Raises:
            StreamNotFound: there is none.
        """
        ...

    async def changed(self, position: int, wait_for: float) -> Sequence[RecordedEvent]:
        """Wait until there is something above `position`, for at most `wait_for` seconds.

        Returns at once with the events that were appended in this process right above
        `position`, when the store still has them at hand; otherwise an empty sequence, which
        means: read a page, there may be more. A spurious return is allowed, a missed one is not.
        """
        ...

    async def ping(self) -> None:
        """Prove that the store answers."""
        ...
