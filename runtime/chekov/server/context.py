"""What one request carries through everything that runs on its behalf."""

import re
from contextvars import ContextVar
from typing import Final
from uuid import UUID

correlation_id: ContextVar[UUID | None] = ContextVar("correlation_id", default=None)
"""The correlation id of the request at hand."""

traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The W3C trace context that came with the request at hand, when it is well formed."""

_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?\Z"
)


def is_traceparent(value: str) -> bool:
    """Whether `value` is a W3C traceparent that may be stored and passed on."""
    return bool(_TRACEPARENT.match(value))
