"""One trace leads from a request through its command to the handlers of its events."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from chekov.engine.observer import combined
from chekov.server.metrics import Metrics
from chekov.server.tracing import CallersTrace, Tracing, set_http_status
from chekov.store.port import RecordedEvent, SubscriptionKey
from chekov.telemetry import context

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
INCOMING = f"00-{TRACE}-00f067aa0ba902b7-01"

WELCOME = SubscriptionKey("shop", "welcome", 2)


def recorded() -> RecordedEvent:
    return RecordedEvent(
        5, "account-1", 1, UUID(int=1), "opened", b"{}", None, None, None, datetime.now(UTC)
    )


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Iterator[Tracing]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Tracing(provider)
    provider.shutdown()


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def test_a_request_continues_the_callers_trace_down_to_the_handler(
    tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    observer = combined([Metrics([], []), tracing])
    with tracing.request("POST", "/commands/Open", INCOMING):
        command = observer.command("Open", "account-1")
        assert command
        with observer.append("account-1", 1):
            stored = observer.traceparent()
        command.finish("accepted", events=1, retries=0)
    with observer.delivery(WELCOME, [recorded()], {"$traceparent": stored}):
        pass

    found = spans(exporter)
    assert {f"{span.context.trace_id:032x}" for span in found.values() if span.context} == {TRACE}
    request, command_span = found["POST /commands/Open"], found["command Open"]
    append, handler = found["append"], found["handle welcome"]
    assert request.context
    assert command_span.context
    assert append.context
    assert parent(command_span) == request.context.span_id
    assert parent(append) == command_span.context.span_id
    assert parent(handler) == append.context.span_id
    assert handler.attributes
    assert handler.attributes["chekov.position"] == 5
    assert handler.attributes["chekov.subscription.version"] == 2


def test_after_a_command_its_span_is_not_current_any_more(tracing: Tracing) -> None:
    assert tracing.traceparent() is None
    command = tracing.command("Open", "account-1")
    assert tracing.traceparent() is not None
    command.finish("accepted", events=1, retries=0)
    assert tracing.traceparent() is None


@pytest.mark.parametrize(
    ("outcome", "is_error"), [("accepted", False), ("rejected", False), ("failed", True)]
)
def test_only_failures_are_errors(
    tracing: Tracing, exporter: InMemorySpanExporter, outcome: str, *, is_error: bool
) -> None:
    tracing.command("Open", "account-1").finish(outcome, events=0, retries=0)  # pyright: ignore[reportArgumentType]
    assert (spans(exporter)["command Open"].status.status_code.name == "ERROR") is is_error


def test_a_faulty_answer_makes_the_request_span_an_error(
    tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    with tracing.request("GET", "/events", None) as span:
        assert span
        set_http_status(span, 503)
    found = spans(exporter)["GET /events"]
    assert found.status.status_code.name == "ERROR"
    assert found.attributes
    assert found.attributes["http.response.status_code"] == 503


def test_an_event_that_was_not_traced_makes_no_span(
    tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    with tracing.delivery(WELCOME, [recorded()], {}):
        pass
    assert spans(exporter) == {}


def test_what_is_not_sampled_is_not_exported_but_passed_on(exporter: InMemorySpanExporter) -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider)
    with tracing.request("POST", "/commands/Open", INCOMING):
        stored = tracing.traceparent()
    assert stored
    assert stored.startswith(f"00-{TRACE}-")
    assert stored.endswith("-00")
    assert spans(exporter) == {}


def test_without_spans_the_callers_context_is_still_stored() -> None:
    observer = combined([Metrics([], []), CallersTrace()])
    token = context.traceparent.set(INCOMING)
    assert observer.traceparent() == INCOMING
    context.traceparent.reset(token)
    assert observer.traceparent() is None
