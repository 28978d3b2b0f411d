"""The role of a store that knows which tags are complete, and takes those that are missing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from chekov.store.port.event_store import RecordedEvent


class TagKind(NamedTuple):
    """A kind of tag of a type of event."""

    type: str
    """Its stored name."""
    kind: str
    """The name of the field."""


class TagFailure(NamedTuple):
    """An event whose tags cannot be made."""

    position: int
    type: str
    """Its stored name."""
    error: str


class SkippedEvent(NamedTuple):
    """An event that decisions by tags overlook, because somebody said so."""

    position: int
    type: str
    """Its stored name."""
    error: str
    """Why its tags could not be made."""
    reason: str
    """Why it is overlooked."""
    skipped: datetime
    """When that was said."""


@dataclass(frozen=True, slots=True)
class TagKindState:
    """How complete a kind of tag is.

    Attributes:
        tag: which.
        position: the tags of all events up to here are written.
        target: it is complete once the position reaches it; `None` while processes may store events
            without it.
        without: these processes; empty also while one of a former release may still end its work.
        owned: whether the process that asks is to write missing tags.
        stopped: the event at which it does not go on, if there is one.
        skipped: how many events of the type are skipped.
    """

    tag: TagKind
    position: int
    target: int | None
    without: Collection[str] = ()
    owned: bool = False
    stopped: TagFailure | None = None
    skipped: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every event has it, and will have."""
        return self.target is not None and self.position >= self.target


class Attended(NamedTuple):
    """What a process learns that is heard of."""

    kinds: Sequence[TagKindState]
    """Those it wants, by type and kind."""
    head: int
    """The position of the last event."""
    withdrawn: int
    """How many kinds others relied on that this process writes events without."""


class MissingTags(NamedTuple):
    """An event, and tags of it that may be missing."""

    event: RecordedEvent
    tags: Sequence[str]
    key: UUID | None = None
    """As `NewEvent.tag_key`."""


class TagIndex(Protocol):
    """Keeps a row for each process that stores events, and how complete each kind of tag is.

    A kind is complete for a type of event once nobody stores events of the type without it, and the
    tags of those that were stored before are written.

    Any call may raise `StoreUnavailable` while the database is away and `StoreClosed` after
    closing.
    """

    async def attend(
        self,
        writer: str,
        domain: str,
        writes: Mapping[str, Collection[str]],
        wanted: Collection[TagKind],
    ) -> Attended:
        """Be heard of, which counts for a minute, and look at kinds of tags.

        What this process writes without a tag is incomplete from now on. Of the processes that want
        kinds with missing tags, one is to write them.

        Args:
            writer: names this process, as among the nodes.
            domain: whose events it stores.
            writes: the types of events that it may store → the kinds of tags that it gives them.
            wanted: the kinds that it decides by.
        """
        ...

    async def add(
        self,
        writer: str,
        kinds: Collection[TagKind],
        missing: Sequence[MissingTags],
        through: int,
        failed: Sequence[TagFailure] = (),
        *,
        after: int = 0,
    ) -> bool:
        """Write tags of stored events; those that are there already stay.

        The first event of a type whose tags cannot be made, and which is not skipped, stops the
        kinds of the type just before it; other types go on.

        Args:
            writer: who is to write them.
            kinds: which kinds.
            missing: the events, in the order of the log; those erased meanwhile are ignored.
            through: no event up to here lacks tags of these kinds then, but those that failed.
            failed: events whose tags cannot be made; those erased meanwhile are ignored.
            after: the events after this position were read.

        Returns:
            `False`, with nothing written, if another process is to write them of any of the kinds
            now, or one lacks tags of events before those that were read.
        """
        ...

    async def leave(self, writer: str) -> None:
        """Store no events any more."""
        ...

    async def skip(self, position: int, reason: str) -> SkippedEvent | None:
        """Let decisions overlook the event at which kinds of tags have stopped.

        Returns:
            The event; `None` if nothing has stopped there.
        """
        ...

    async def unskip(self, position: int) -> bool:
        """Make the tags of an event that was skipped after all; return whether it was skipped.

        Its kinds are incomplete until that is done.
        """
        ...

    async def skipped(self) -> Sequence[SkippedEvent]:
        """All events that are skipped, by position."""
        ...

    async def kinds(self) -> Sequence[TagKindState]:
        """Every kind that a process wanted, by type and kind, without who uses it and how."""
        ...
