"""What the engine tells, passed on to metrics and, when they are exported, to traces."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from opentelemetry.trace import Span

from chekov.engine.observer import (
    CommandObservation,
    DeliveryOutcome,
    Observer,
    Outcome,
    SnapshotOutcome,
)
from chekov.server import context
from chekov.server.metrics import Metrics
from chekov.server.tracing import Tracing
from chekov.store.port import RecordedEvent

_NO_SPAN: Final = nullcontext(None)


class Telemetry(Observer):
    """The observer of a server process.

    Without tracing, a caller's trace context is still stored with the events it causes.

    Attributes:
        metrics: always there.
        tracing: `None` when nothing exports traces.
    """

    def __init__(self, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self.metrics = metrics
        self.tracing = tracing

    def request(
        self, method: str, route: str, incoming: str | None
    ) -> AbstractContextManager[Span | None]:
        """Surrounds an HTTP request."""
        if self.tracing is None:
            return _NO_SPAN
        return self.tracing.request(method, route, incoming)

    def command(self, command: str, stream: str) -> CommandObservation:
        """A command starts."""
        measured = self.metrics.command(command, stream)
        if self.tracing is None:
            return measured
        return _Both(measured, self.tracing.command(command, stream))

    def traceparent(self) -> str | None:
        """The trace context to store with events."""
        current = self.tracing.traceparent() if self.tracing else None
        return current or context.traceparent.get()

    def delivery(
        self, subscription: str, events: Sequence[RecordedEvent], metadata: Mapping[str, object]
    ) -> AbstractContextManager[None]:
        """Surrounds handling."""
        if self.tracing is None:
            return _NO_SPAN
        return self.tracing.delivery(subscription, events, metadata)

    def delivered(
        self, subscription: str, outcome: DeliveryOutcome, events: int, seconds: float, age: float
    ) -> None:
        """Events were handled, or given up for now."""
        self.metrics.delivered(subscription, outcome, events, seconds, age)

    def loaded(self, aggregate: str, events: int, seconds: float) -> None:
        """An instance was rebuilt from the store."""
        self.metrics.loaded(aggregate, events, seconds)

    def snapshot(self, aggregate: str, outcome: SnapshotOutcome) -> None:
        """A snapshot was kept, used or neither."""
        self.metrics.snapshot(aggregate, outcome)

    def appended(self, appends: int, events: int, seconds: float) -> None:
        """The store committed one batch of appends."""
        self.metrics.appended(appends, events, seconds)

    def missing(self, subscription: str, events: int) -> None:
        """Positions were found absent between two events."""
        self.metrics.missing(subscription, events)


class _Both:
    __slots__ = ("_first", "_second")

    def __init__(self, first: CommandObservation, second: CommandObservation) -> None:
        self._first = first
        self._second = second

    def finish(self, outcome: Outcome, *, events: int, retries: int) -> None:
        self._first.finish(outcome, events=events, retries=retries)
        self._second.finish(outcome, events=events, retries=retries)
