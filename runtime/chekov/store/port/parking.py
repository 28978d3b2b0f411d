"""What a store keeps of events that a subscription set aside.

A parked event blocks its key: later events of the key are parked after it, so that they are handled
in order once somebody has retried or discarded the one that failed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from chekov.store.port.event_store import RecordedEvent
from chekov.store.port.subscription_key import SubscriptionKey

ParkedState = Literal["failed", "blocked", "retrying"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an event was set aside.

    Attributes:
        attempts: how often it was tried.
        error: type and message of the last error.
        fingerprint: the same for failures of one cause.
        traceback: of the last error.
    """

    attempts: int
    error: str
    fingerprint: str = ""
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class ParkingEntry:
    """An event to set aside.

    Attributes:
        event: the event.
        key: what it blocks.
        failure: why; `None` if it is blocked by an earlier event of one of its keys.
        retrying: whether it only waits for its next attempt.
        discarded: the reason why it is not kept for later, and blocks nothing; else `None`.
        also: what else it blocks, if it belongs to several keys.
    """

    event: RecordedEvent
    key: str
    failure: Failure | None = None
    discarded: str | None = None
    retrying: bool = False
    also: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """All that it blocks."""
        return self.key, *self.also

    @property
    def state(self) -> ParkedState:
        """What it is parked as."""
        if self.failure is None:
            return "blocked"
        return "retrying" if self.retrying else "failed"


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that one subscription set aside.

    Attributes:
        subscription: which one.
        position: of the event; the parked events of a key are handled in this order.
        key: what it blocks.
        state: `failed` until somebody retries or discards it; `blocked` by an earlier one of one of
            its keys; `retrying` while it is to be handled again: after a pause, as its handler is
            retried, or at once, as somebody asked.
        attempts: how often it was tried; 0 if it was only blocked.
        first_error: type and message of its first error.
        error: of its last error.
        fingerprint: the same for failures of one cause: handler, event type, exception type and the
            place in the user's code.
        traceback: of its last error.
        time: when it was parked.
        also: what else it blocks, if it belongs to several keys, as an event for several instances
            of a process manager does. It is handled once it is the first one of each.
    """

    subscription: SubscriptionKey
    position: int
    key: str
    stream: str
    type: str
    state: ParkedState
    attempts: int
    first_error: str
    error: str
    fingerprint: str
    traceback: str
    time: datetime
    also: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """All that it blocks."""
        return self.key, *self.also


@dataclass(frozen=True, slots=True)
class ParkedGroup:
    """The failed events of a subscription that have one fingerprint.

    Attributes:
        fingerprint: their fingerprint.
        events: how many there are.
        first: the lowest position.
        last: the highest position.
        error: the last error of the event at `first`.
        since: when the earliest was parked.
    """

    fingerprint: str
    events: int
    first: int
    last: int
    error: str
    since: datetime


@dataclass(frozen=True, slots=True)
class DiscardedEvent:
    """An event that a subscription will never handle, kept for the record.

    Attributes:
        subscription: which one.
        position: of the event.
        key: what it blocked.
        stream: of the event.
        type: of the event.
        attempts: how often it was tried.
        error: of its last error.
        fingerprint: of its failure.
        reason: why it was discarded.
        time: when it was discarded.
    """

    subscription: SubscriptionKey
    position: int
    key: str
    stream: str
    type: str
    attempts: int
    error: str
    fingerprint: str
    reason: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedFilter:
    """Conditions that a parked event meets all of; `None` leaves a condition out.

    Attributes:
        key: what it blocks.
        fingerprint: of its failure.
        position: of the event.
    """

    key: str | None = None
    fingerprint: str | None = None
    position: int | None = None

    def matches(self, parked: ParkedEvent) -> bool:
        """Whether a parked event meets every condition."""
        return (
            self.key in (None, *parked.keys)
            and self.fingerprint in (None, parked.fingerprint)
            and self.position in (None, parked.position)
        )


ALL_PARKED: Final = ParkedFilter()
"""Matches every parked event."""
