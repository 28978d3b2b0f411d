"""Query-string parameters of reads: pages, filters and limits in time or version."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from uuid import UUID

from multidict import MultiMapping

from chekov.domain.event_filter import EventFilter
from chekov.server import headers
from chekov.server.headers import LARGEST_POSITION
from chekov.server.problems import MALFORMED, RequestError, malformed
from chekov.store.port import Direction

DEFAULT_LIMIT: Final = 100
LARGEST_LIMIT: Final = 1000
LONGEST_DELAY: Final = 100 * 366 * 24 * 60 * 60
"""Seconds until a command is executed."""

FILTERS: Final = frozenset({"type", "category", "prefix", "correlation", "causation", "caused_by"})
"""The parameters that filter events."""


@dataclass(frozen=True, slots=True)
class Page:
    """The requested part of a sequence of events."""

    after: int
    limit: int
    direction: Direction


def page(query: MultiMapping[str], given: Mapping[str, str], further: Collection[str] = ()) -> Page:
    """`after`, `limit` and `direction` of a request; `Last-Event-ID` in place of `after`.

    Args:
        query: its parameters.
        given: its headers.
        further: parameters that it may have too.

    Raises:
        RequestError: a value is out of range, or a parameter is unknown.
    """
    refuse_unknown(query, {"after", "limit", "direction", *further})
    direction = query.get("direction", "forward")
    if direction not in {"forward", "backward"}:
        raise malformed("path", "direction", "expected forward or backward", direction)
    last, start = headers.last_event_id(given), after(query)
    return Page(
        after=start if last is None else last,
        limit=limit(query),
        direction=cast("Direction", direction),
    )


def limit(query: MultiMapping[str]) -> int:
    """`limit` of a request.

    Raises:
        RequestError: the value is out of range.
    """
    return _number(query, "limit", DEFAULT_LIMIT, 1, LARGEST_LIMIT)


def event_filter(query: MultiMapping[str]) -> EventFilter:
    """The filter of a request, from the parameters in `FILTERS`; `type` may be repeated.

    Raises:
        RequestError: an id is not a UUID.
    """
    return EventFilter(
        types=frozenset(query.getall("type", [])) or None,
        category=query.get("category") or None,
        prefix=query.get("prefix") or None,
        correlation=_id(query, "correlation"),
        causation=_id(query, "causation"),
        caused_by=_id(query, "caused_by"),
    )


def after(query: MultiMapping[str]) -> int:
    """`after` of a request.

    Raises:
        RequestError: the value is out of range.
    """
    return _number(query, "after", 0, 0, LARGEST_POSITION)


def version(query: MultiMapping[str], name: str) -> int | None:
    """A version, or `None` if the parameter is absent.

    Raises:
        RequestError: the value is not a version.
    """
    return _number(query, name, 0, 1, LARGEST_POSITION) if name in query else None


def moment(query: MultiMapping[str], name: str) -> datetime | None:
    """A time with a zone, or `None` if the parameter is absent.

    Raises:
        RequestError: the value is not such a time.
    """
    value = query.get(name)
    if value is None:
        return None
    try:
        # A plus sign that was not percent-encoded arrives as a space.
        read = datetime.fromisoformat(value.replace(" ", "+"))
        if read.tzinfo is not None:
            return read.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise malformed("path", name, "expected a time with a zone such as 2026-01-31T12:00:00Z", value)


def until(query: MultiMapping[str]) -> int | datetime | None:
    """The version or the time in `until`, or `None` if it is absent.

    Raises:
        RequestError: the value is neither.
    """
    if query.get("until", "").isdecimal():
        return version(query, "until")
    return moment(query, "until")


def seconds(query: MultiMapping[str], name: str) -> timedelta | None:
    """A whole number of seconds, or `None` if the parameter is absent.

    Raises:
        RequestError: the value is not such a number, or is more than 100 years.
    """
    if name not in query:
        return None
    return timedelta(seconds=_number(query, name, 0, 0, LONGEST_DELAY))


def refuse_unknown(query: MultiMapping[str], known: Collection[str]) -> None:
    """Refuse parameters that the endpoint does not read; most often they are misspelt.

    Raises:
        RequestError: names the first such parameter.
    """
    for name in query:
        if name not in known:
            hint = f"known here: {', '.join(sorted(known))}" if known else "none is known here"
            raise RequestError(MALFORMED, f"unknown parameter {name!r}; {hint}", {"path": name})


def _number(query: MultiMapping[str], name: str, default: int, lowest: int, highest: int) -> int:
    value = query.get(name)
    if value is None:
        return default
    if value.isascii() and value.isdecimal():
        # Of a number with more digits, these are out of range too.
        number = int(value.lstrip("0")[:20] or "0")
        if lowest <= number <= highest:
            return number
    raise malformed("path", name, f"expected a whole number from {lowest} to {highest}", value)


def _id(query: MultiMapping[str], name: str) -> UUID | None:
    value = query.get(name)
    if value is None:
        return None
    try:
        return UUID(value)
    except ValueError:
        raise malformed("path", name, "expected a UUID", value) from None
