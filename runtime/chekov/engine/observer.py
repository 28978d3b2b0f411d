"""What the engine tells whoever watches it: metrics and traces, without knowing either."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

from chekov.store.port import RecordedEvent

Outcome = Literal["accepted", "repeated", "rejected", "conflict", "timeout", "failed", "refused"]
DeliveryOutcome = Literal["handled", "retried", "parked", "stopped"]
SnapshotOutcome = Literal["kept", "failed", "used", "ignored"]


class CommandObservation(Protocol):
    """One command, from its arrival to its answer."""

    def finish(self, outcome: Outcome, *, events: int, retries: int) -> None:
        """Called once, with how it ended."""
        ...


class Observer:
    """Does nothing; servers override what they measure. No method may raise or block."""

    def command(self, command: str, stream: str) -> CommandObservation | None:
        """A command starts; `None` when nobody wants to know more."""
        del command, stream
        return None

    def traceparent(self) -> str | None:
        """The W3C trace context of the code that runs now, to be stored with its events."""
        return None

    def delivery(
        self, subscription: str, events: Sequence[RecordedEvent], metadata: Mapping[str, object]
    ) -> AbstractContextManager[None]:
        """Surrounds handling: of one event, or of a batch whose first event has `metadata`.

        The stored `traceparent` in `metadata` links what is done here to what caused it.
        """
        del subscription, events, metadata
        return nullcontext()

    def delivered(
        self, subscription: str, outcome: DeliveryOutcome, events: int, seconds: float, age: float
    ) -> None:
        """Events were handled, or given up for now; `age` is the newest one's, in seconds."""
        del subscription, outcome, events, seconds, age

    def loaded(self, aggregate: str, events: int, seconds: float) -> None:
        """An instance was rebuilt from the store."""
        del aggregate, events, seconds

    def snapshot(self, aggregate: str, outcome: SnapshotOutcome) -> None:
        """A snapshot was kept or could not be; or one was found, and used or ignored."""
        del aggregate, outcome

    def appended(self, appends: int, events: int, seconds: float) -> None:
        """The store committed one batch of appends."""
        del appends, events, seconds

    def subscription(self, subscription: str, state: str, position: int, head: int) -> None:
        """A subscription moved or changed its state."""
        del subscription, state, position, head

    def missing(self, subscription: str, events: int) -> None:
        """Positions were found absent between two events: history has a hole."""
        del subscription, events
