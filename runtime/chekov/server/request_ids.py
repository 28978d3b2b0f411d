"""The ids of a request: taken from its headers or made, in logs, and returned in the answer's."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

from chekov.server import headers
from chekov.telemetry import context
from chekov.uuid7 import uuid7

REQUEST_ID: Final = "X-Request-ID"

_answer: Final[ContextVar[Mapping[str, str]]] = ContextVar("answer")
_SANE: Final = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}\Z")


def begin(given: Mapping[str, str]) -> None:
    """Set the ids of the current request by its headers.

    Raises:
        RequestError: its correlation id is not a UUID; it has another one then.
    """
    correlation_id = None
    try:
        correlation_id = headers.correlation_id(given)
    finally:
        request_id = given.get(REQUEST_ID)
        if request_id is not None and not _SANE.match(request_id):
            request_id = None
        if correlation_id is None:
            correlation_id = uuid7()
            text = str(correlation_id)
            # Both are new: one id is enough.
            request_id = request_id or text
        else:
            text = str(correlation_id)
            request_id = request_id or str(uuid7())
        context.correlation_id.set(correlation_id)
        context.request_id.set(request_id)
        _answer.set({headers.CORRELATION_ID: text, REQUEST_ID: request_id})


def of_answer() -> Mapping[str, str]:
    """The headers of an answer to the current request."""
    return _answer.get()
