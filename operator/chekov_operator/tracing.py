"""Spans of the operator: one for each pass over an object, and in it one for each request it makes.

Requests outside of a pass, such as those that renew the Lease, have no span.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from chekov_operator.resources import Key, Kind

NO_TRACER: Final[Tracer] = trace.NoOpTracer()
"""Makes spans that are nothing, at next to no cost."""

_REFUSED: Final = 400
_NOT_FOUND: Final = 404

_tracer: ContextVar[Tracer | None] = ContextVar("tracer", default=None)


@contextmanager
def reconciling(tracer: Tracer, key: Key) -> Generator[Span]:
    """Surrounds a pass over an object."""
    attributes = {
        "k8s.namespace.name": key.namespace,
        "chekov.kind": key.kind,
        "chekov.name": key.name,
    }
    token = _tracer.set(tracer)
    try:
        with tracer.start_as_current_span(f"reconcile {key.kind}", attributes=attributes) as span:
            yield span
    finally:
        _tracer.reset(token)


@contextmanager
def requesting(method: str, kind: Kind, path: str) -> Generator[Span]:
    """Surrounds a request to the API server."""
    tracer = _tracer.get()
    if tracer is None:
        yield trace.INVALID_SPAN
        return
    attributes = {"http.request.method": method, "url.path": path}
    name = f"{method} {kind.name}"
    with tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes) as span:
        yield span


def answered(span: Span, status: int) -> None:
    """The API server answered; that there is no such object is an answer like any other."""
    span.set_attribute("http.response.status_code", status)
    if status >= _REFUSED and status != _NOT_FOUND:
        span.set_status(Status(StatusCode.ERROR))


def failed(span: Span, error: Exception) -> None:
    """The pass failed and will be tried again."""
    span.set_status(Status(StatusCode.ERROR, str(error)))


def ids() -> tuple[str, str]:
    """Trace and span id of what runs now, in hexadecimal; empty when it is not traced."""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return "", ""
    return trace.format_trace_id(current.trace_id), trace.format_span_id(current.span_id)
