"""The request headers of the API as typed values."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

from chekov.domain.names import OWN
from chekov.serialization.json import from_json, to_json
from chekov.server.problems import UNSUPPORTED, RequestError, malformed
from chekov.store.port import Expected

CORRELATION_ID: Final = "X-Correlation-ID"
CAUSATION_ID: Final = "X-Causation-ID"
MIN_POSITION: Final = "X-Min-Position"
LAST_EVENT_ID: Final = "Last-Event-ID"
METADATA: Final = "X-Metadata"
LONGEST_METADATA: Final = 4096
"""Characters in the header, and bytes as JSON."""

_VERSION: Final = re.compile(r'(?:W/)?("?)(\d{1,18})\1\Z')
_WAIT: Final = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?(?=$|[,;\s])")
_HANDLERS: Final = re.compile(
    r"(?:^|[,;\s])handlers\s*=\s*(?:\"([^\"]*)\"|([^\s,;\"]+))", re.IGNORECASE
)
LONGEST_WAIT: Final = 60
"""Seconds for which a command waits for handlers, and a query for a position."""
_TOO_LONG: Final = f"is longer than {LONGEST_METADATA} characters"
LARGEST_POSITION: Final = 2**63 - 1
"""Also the largest version."""


def correlation_id(headers: Mapping[str, str]) -> UUID | None:
    """The id in `X-Correlation-ID`.

    Raises:
        RequestError: the value is not a UUID.
    """
    return _uuid(headers, CORRELATION_ID)


def causation_id(headers: Mapping[str, str]) -> UUID | None:
    """The id in `X-Causation-ID`: what led to the command.

    Raises:
        RequestError: the value is not a UUID.
    """
    return _uuid(headers, CAUSATION_ID)


def command_id(headers: Mapping[str, str]) -> UUID | None:
    """The id in `Idempotency-Key`, which becomes the command's id.

    Raises:
        RequestError: the value is not a UUID.
    """
    return _uuid(headers, "Idempotency-Key")


def expected_version(headers: Mapping[str, str]) -> int | None:
    """The stream version that `If-Match` or `If-None-Match: *` require; `None` if absent.

    Raises:
        RequestError: the value is neither a version, quoted or not, nor `*`.
    """
    match = headers.get("If-Match")
    none = headers.get("If-None-Match")
    if match is None and none is None:
        return None
    if none is not None:
        if match is not None or none.strip() != "*":
            raise malformed("header", "If-None-Match", "expected *, alone", none)
        return int(Expected.NO_STREAM)
    assert match is not None  # noqa: S101
    if match.strip() == "*":
        return int(Expected.STREAM_EXISTS)
    found = _VERSION.match(match.strip())
    if found is None:
        raise malformed("header", "If-Match", 'expected a version such as "3", or *', match)
    return int(found[2])


def wait(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait for subscriptions, from `Prefer: wait=…`; 60 at most, `None` if absent."""
    preference = headers.get("Prefer")
    found = _WAIT.search(preference.lower()) if preference else None
    return float(min(int(found[1]), LONGEST_WAIT)) if found else None


def handlers(headers: Mapping[str, str]) -> Sequence[str] | None:
    """The names in `Prefer: wait=…; handlers="…"`, separated by commas; `None` if absent."""
    found = _HANDLERS.search(headers.get("Prefer", ""))
    if found is None:
        return None
    return [name.strip() for name in (found[1] or found[2] or "").split(",") if name.strip()]


def min_position(headers: Mapping[str, str]) -> int:
    """The position in `X-Min-Position`; 0 if absent.

    Raises:
        RequestError: the value is not a position.
    """
    value = headers.get(MIN_POSITION)
    if value is None:
        return 0
    return _number(MIN_POSITION, "position", value)


def last_event_id(headers: Mapping[str, str]) -> int | None:
    """The position or version in `Last-Event-ID`; `None` if absent.

    Raises:
        RequestError: the value is neither.
    """
    value = headers.get(LAST_EVENT_ID)
    return None if value is None else _number(LAST_EVENT_ID, "position or version", value)


def metadata(headers: Mapping[str, str]) -> Mapping[str, Any] | None:
    """The JSON object in `X-Metadata`; `None` if absent.

    Raises:
        RequestError: the value is not such an object, is too long, or has a key of Chekov's own.
    """
    value = headers.get(METADATA)
    if value is None:
        return None
    if len(value) > LONGEST_METADATA:
        raise malformed("header", METADATA, _TOO_LONG)
    try:
        found = from_json(value.encode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise malformed(
            "header", METADATA, 'expected a JSON object such as {"tenant":"blue"}', value
        )
    try:
        return checked_metadata(cast("dict[str, Any]", found))
    except ValueError as error:
        raise malformed("header", METADATA, str(error), value) from None


def checked_metadata(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Metadata that a sender may give.

    Raises:
        ValueError: it is too long, or has a key of Chekov's own.
    """
    if any(key.startswith(OWN) for key in given):
        raise ValueError(f"keys that begin with {OWN!r} are Chekov's own")
    if len(to_json(given)) > LONGEST_METADATA:
        raise ValueError(_TOO_LONG)
    return given


def require_json(headers: Mapping[str, str]) -> None:
    """Accept JSON, and content without a type.

    Raises:
        RequestError: `Content-Type` is another one.
    """
    content_type = headers.get("Content-Type")
    if content_type is None or content_type == "application/json":
        return
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise RequestError(
            UNSUPPORTED,
            f"Content-Type is {kind!r}, expected application/json",
            headers={"Accept-Post": "application/json"},
        )


def _number(name: str, meaning: str, value: str) -> int:
    digits = value.strip()
    if digits.isascii() and digits.isdecimal():
        # Of a number with more digits, these are out of range too.
        number = int(digits.lstrip("0")[:20] or "0")
        if number <= LARGEST_POSITION:
            return number
    raise malformed("header", name, f"expected a {meaning} such as 42", value)


def _uuid(headers: Mapping[str, str], name: str) -> UUID | None:
    value = headers.get(name)
    if value is None:
        return None
    try:
        return UUID(value.strip().strip('"'))
    except ValueError:
        raise malformed("header", name, "expected a UUID", value) from None
