"""The ids of a request: taken from its headers or made, in logs, and returned in the answer's."""

import re
from collections.abc import Mapping
from typing import Final

from chekov.server import headers
from chekov.telemetry import context
from chekov.uuid7 import uuid7

REQUEST_ID: Final = "X-Request-ID"

_SANE: Final = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}\Z")


def begin(given: Mapping[str, str]) -> None:
    """Set the ids of the current request by its headers.

    Raises:
        RequestError: its correlation id is not a UUID; it has another one then.
    """
    request_id = given.get(REQUEST_ID)
    if request_id is None or not _SANE.match(request_id):
        request_id = str(uuid7())
    context.request_id.set(request_id)
    correlation_id = None
    try:
        correlation_id = headers.correlation_id(given)
    finally:
        context.correlation_id.set(correlation_id or uuid7())


def of_answer() -> dict[str, str]:
    """The headers of an answer to the current request."""
    return {
        headers.CORRELATION_ID: str(context.correlation_id.get()),
        REQUEST_ID: context.request_id.get() or "",
    }
