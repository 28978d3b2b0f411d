"""OpenTelemetry spans: request → command → append, and from a stored event on to its handlers.

The trace context is stored with each event, so a handler's span joins the trace of the request
that caused the event, in whichever process it runs and however much later.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import Token
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chekov.engine.observer import TRACEPARENT, CommandObservation, Observer, Outcome
from chekov.server.problems import FIRST_SERVER_ERROR
from chekov.store.port import RecordedEvent, SubscriptionKey
from chekov.telemetry import context

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_ERRORS: Final[frozenset[Outcome]] = frozenset({"failed", "timeout"})


class CallersTrace(Observer):
    """Stores the caller's trace context with events where no spans are exported."""

    def traceparent(self) -> str | None:
        return context.traceparent.get()


class Tracing(Observer):
    """Makes the spans of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("chekov")

    @contextmanager
    def request(self, method: str, route: str, incoming: str | None) -> Generator[Span]:
        """Surrounds an HTTP request; it continues the trace of `incoming`, a traceparent."""
        with self._tracer.start_as_current_span(
            f"{method} {route}",
            context=_extract(incoming),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "http.route": route},
            record_exception=False,
        ) as span:
            yield span

    def command(self, command: str, stream: str) -> CommandObservation:
        """Start a span that is current until the command ends."""
        span = self._tracer.start_span(
            f"command {command}",
            attributes={"chekov.command": command, "chekov.stream": stream},
        )
        token = otel_context.attach(trace.set_span_in_context(span))
        return _CommandSpan(span, token)

    def traceparent(self) -> str | None:
        """The context of the current span, whether it is sampled or not."""
        current = trace.get_current_span().get_span_context()
        if not current.is_valid:
            return context.traceparent.get()
        return f"00-{current.trace_id:032x}-{current.span_id:016x}-{int(current.trace_flags):02x}"

    def delivery(
        self,
        subscription: SubscriptionKey,
        events: Sequence[RecordedEvent],
        metadata: Mapping[str, object],
    ) -> AbstractContextManager[None]:
        """A span below the one that recorded the event, if that was traced."""
        incoming = metadata.get(TRACEPARENT)
        if not isinstance(incoming, str) or not events:
            return nullcontext()
        return self._handling(subscription, events, incoming)

    @contextmanager
    def _handling(
        self, subscription: SubscriptionKey, events: Sequence[RecordedEvent], incoming: str
    ) -> Generator[None]:
        first = events[0]
        with self._tracer.start_as_current_span(
            f"handle {subscription.name}",
            context=_extract(incoming),
            kind=SpanKind.CONSUMER,
            attributes={
                "chekov.subscription": subscription.name,
                "chekov.subscription.version": subscription.version,
                "chekov.subscription.partition": subscription.partition,
                "chekov.stream": first.stream,
                "chekov.event": first.type,
                "chekov.position": first.position,
                "chekov.events": len(events),
            },
        ):
            yield

    @contextmanager
    def append(self, stream: str, events: int) -> Generator[None]:
        with self._tracer.start_as_current_span(
            "append",
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": "postgresql",
                "chekov.stream": stream,
                "chekov.events": events,
            },
        ):
            yield


class _CommandSpan:
    __slots__ = ("_span", "_token")

    def __init__(self, span: Span, token: Token[otel_context.Context]) -> None:
        self._span = span
        self._token = token

    def finish(self, outcome: Outcome, *, events: int, retries: int) -> None:
        self._span.set_attributes(
            {"chekov.outcome": outcome, "chekov.events": events, "chekov.retries": retries}
        )
        if outcome in _ERRORS:
            self._span.set_status(Status(StatusCode.ERROR, outcome))
        self._span.end()
        otel_context.detach(self._token)


def set_http_status(span: Span, status: int) -> None:
    """Record a response's status; only server errors make the span an error."""
    span.set_attribute("http.response.status_code", status)
    if status >= FIRST_SERVER_ERROR:
        span.set_status(Status(StatusCode.ERROR))


def _extract(incoming: str | None) -> otel_context.Context:
    carrier = {"traceparent": incoming} if incoming else {}
    return _PROPAGATOR.extract(carrier, context=otel_context.Context())
