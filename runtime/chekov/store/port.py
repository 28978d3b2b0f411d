"""What the engine needs of a store: two small protocols and the values they carry.

A position numbers every event of a store from 1, without gaps and in commit order. A version
numbers the events of one stream from 1, without gaps. Payloads and metadata are bytes here; the
codec gives them their types.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeAlias
from uuid import UUID

from chekov.domain.handler import Connection


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


@dataclass(frozen=True, slots=True)
class SubscriptionKey:
    """Names one partition of a subscription."""

    domain: str
    name: str
    version: int = 1
    """Of a projection: a new version starts from the origin with tables of its own."""
    partition: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """Ownership of a subscription, worth something as long as its epoch is the newest."""

    key: SubscriptionKey
    owner: str
    epoch: int
    position: int
    """Where the checkpoint stood when it was claimed or last renewed."""
    registered: int = 0
    """The position of the last event when the subscription was registered."""


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that was set aside for one subscription."""

    key: SubscriptionKey
    position: int
    stream: str
    type: str
    attempts: int
    error: str
    time: datetime


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A subscription as every process can see it in the store."""

    key: SubscriptionKey
    position: int
    owner: str | None
    epoch: int
    state: Literal["running", "paused", "stopped"]
    error: str | None
    parked: int
    updated: datetime


class SubscriptionStore(Protocol):
    """Keeps checkpoints, owners and parked events; every write is fenced by the claim's epoch."""

    async def register(self, keys: Collection[SubscriptionKey], *, start: int = 0) -> None:
        """Make rows for those of `keys` that have none, with the checkpoint at `start`."""
        ...

    async def claim(
        self, owner: str, keys: Collection[SubscriptionKey], *, lease: float
    ) -> Sequence[Claim]:
        """Renew what `owner` holds of `keys` and take what is free, in one statement.

        A row is free when nobody owns it or its lease of `lease` seconds ran out by the store's
        clock. Taking raises the epoch; renewing keeps it. Rows whose state is paused or stopped
        are neither taken nor renewed.
        """
        ...

    async def release(self, owner: str, keys: Collection[SubscriptionKey]) -> None:
        """Give up what `owner` holds of `keys`, and wake the processes that wait for it."""
        ...

    async def freed(self, seen: int, wait_for: float) -> int:
        """Wait until a subscription may have become free, for at most `wait_for` seconds.

        The answer counts such moments (a release, a stop, a resume) anywhere. Pass it as `seen` to
        the next call, 0 at first: what happened in between makes that call return at once.
        """
        ...

    async def save(self, claim: Claim, position: int) -> None:
        """Move the checkpoint forward to `position`; a lower one changes nothing.

        Raises:
            Fenced: the claim is stale.
        """
        ...

    def transaction(
        self, claim: Claim, position: int, *, search_path: str | None = None
    ) -> AbstractAsyncContextManager[Connection]:
        """A database transaction that moves the checkpoint to `position` as it commits.

        `search_path` names a database schema that unqualified names resolve to first.

        Raises:
            Fenced: the claim is stale, or the checkpoint is at `position` already; everything
                written is rolled back.
            StoreUnavailable: the connection was lost; claim again to learn the checkpoint.
            StoreError: this store has no database connection to give.
        """
        ...

    async def park(self, claim: Claim, event: RecordedEvent, *, attempts: int, error: str) -> None:
        """Set `event` aside and move the checkpoint past it, in one transaction.

        Raises:
            Fenced: the claim is stale.
        """
        ...

    async def parked(self, domain: str, name: str, *, limit: int = 100) -> Sequence[ParkedEvent]:
        """The events set aside for a subscription, by position."""
        ...

    async def stop(self, claim: Claim, error: str) -> None:
        """Mark the subscription stopped, with the reason, and give it up.

        Raises:
            Fenced: the claim is stale.
        """
        ...

    async def resume(self, domain: str, name: str) -> None:
        """Let a paused or stopped subscription run again."""
        ...

    async def pause(self, domain: str, name: str) -> None:
        """Let no process run this subscription until it is resumed; its claims become stale."""
        ...

    async def subscriptions(self, domain: str) -> Sequence[SubscriptionRow]:
        """Every subscription of a domain, by name, version and partition."""
        ...

    async def create_tables(self, schema_name: str, tables: str) -> None:
        """Create a database schema and run `tables` in it, once; later calls change nothing.

        Raises:
            DefinitionError: the database refuses the SQL.
            StoreError: this store has no database.
        """
        ...

    def schema_for(self, key: SubscriptionKey) -> str:
        """Name of the database schema that a projection's tables live in."""
        ...

    def read_connection(
        self, *, search_path: str | None = None
    ) -> AbstractAsyncContextManager[Connection]:
        """A connection in a read-only transaction, for queries.

        Raises:
            StoreError: this store has no database.
        """
        ...


class Store(EventStore, SubscriptionStore, Protocol):
    """Both halves, as one adapter offers them; opened and closed as a context manager.

    An open store may be entered again, which costs nothing; leaving it as often as it was entered
    closes it. A closed one may be opened again.
    """

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...


Json: TypeAlias = Mapping[str, Any]
