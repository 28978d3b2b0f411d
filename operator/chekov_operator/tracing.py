"""The operator's spans: one for each reconciliation, with one inside for each request it makes.

Other requests, such as those that renew the Lease, have no span.
"""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from http import HTTPStatus
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from chekov_operator.kube.kinds import Key, Kind

NO_TRACER: Final[Tracer] = trace.NoOpTracer()
"""Creates spans that record nothing."""

_NO_SPAN: Final = nullcontext(trace.INVALID_SPAN)
_tracer: ContextVar[Tracer | None] = ContextVar("tracer", default=None)


@contextmanager
def reconciling(tracer: Tracer, key: Key) -> Generator[Span]:
    """The span of one reconciliation."""
    attributes = {
        "k8s.namespace.name": key.namespace,
        "chekov.kind": key.kind,
        "chekov.name": key.name,
    }
    if tracer is NO_TRACER:
        yield trace.INVALID_SPAN
        return
    token = _tracer.set(tracer)
    try:
        with tracer.start_as_current_span(f"reconcile {key.kind}", attributes=attributes) as span:
            yield span
    finally:
        _tracer.reset(token)


def requesting(method: str, kind: Kind, path: str) -> AbstractContextManager[Span]:
    """The span of one request to the API server."""
    tracer = _tracer.get()
    if tracer is None:
        return _NO_SPAN
    attributes = {"http.request.method": method, "url.path": path}
    name = f"{method} {kind.name}"
    return tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes)


def set_response(span: Span, status: int) -> None:
    """Set the status of a response. That an object does not exist is not an error."""
    span.set_attribute("http.response.status_code", status)
    if status >= HTTPStatus.BAD_REQUEST and status != HTTPStatus.NOT_FOUND:
        span.set_status(Status(StatusCode.ERROR))


def set_error(span: Span, error: Exception) -> None:
    span.set_status(Status(StatusCode.ERROR, str(error)))
