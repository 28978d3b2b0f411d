"""The ids of the request or trace that the running code belongs to, for logs and stored events."""

import re
from contextvars import ContextVar
from typing import Final
from uuid import UUID

from opentelemetry import trace

correlation_id: ContextVar[UUID | None] = ContextVar("correlation_id", default=None)
"""The correlation id of the current request."""

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the current request, by which its sender and proxies know it."""

traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The well-formed W3C trace context that the current request came with."""

_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?\Z"
)


def is_traceparent(value: str) -> bool:
    """Whether `value` is a W3C traceparent that may be stored and passed on."""
    return bool(_TRACEPARENT.match(value))


def trace_ids() -> tuple[str, str]:
    """Trace id and span id in hexadecimal, of the current span or else of the caller's.

    Both are empty outside a trace.
    """
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        return trace.format_trace_id(current.trace_id), trace.format_span_id(current.span_id)
    incoming = traceparent.get()
    if incoming:
        _, trace_id, span_id, *_ = incoming.split("-")
        return trace_id, span_id
    return "", ""
