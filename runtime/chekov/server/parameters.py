"""Query-string parameters of the pages of events."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, cast

from multidict import MultiMapping

from chekov.server.problems import MALFORMED, RequestError
from chekov.store.port import Direction

DEFAULT_LIMIT: Final = 100
LARGEST_LIMIT: Final = 1000
_LARGEST_POSITION: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a sequence of events is asked for."""

    after: int
    limit: int
    direction: Direction


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events of all are asked for; `None` keeps every one."""

    types: Collection[str] | None
    category: str | None

    def keeps(self, type_: str, stream: str) -> bool:
        """Whether an event of this type in this stream is asked for."""
        if self.types is not None and type_ not in self.types:
            return False
        return self.category is None or stream.startswith(f"{self.category}-")


def page(query: MultiMapping[str], further: Collection[str] = ()) -> Page:
    """`after`, `limit` and `direction` of a request.

    Raises:
        RequestError: a value is out of range, or a parameter is neither of these nor of `further`.
    """
    refuse_unknown(query, {"after", "limit", "direction", *further})
    direction = query.get("direction", "forward")
    if direction not in {"forward", "backward"}:
        raise _malformed("direction", "expected forward or backward", direction)
    return Page(
        after=_number(query, "after", 0, 0, _LARGEST_POSITION),
        limit=_number(query, "limit", DEFAULT_LIMIT, 1, LARGEST_LIMIT),
        direction=cast("Direction", direction),
    )


def filter_(query: MultiMapping[str]) -> Filter:
    """`type` (may be repeated) and `category` of a request."""
    return Filter(frozenset(query.getall("type", [])) or None, query.get("category") or None)


def refuse_unknown(query: MultiMapping[str], known: Collection[str]) -> None:
    """Refuse parameters that nothing here reads, which are most often misspelt.

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
    if not value.isascii() or not value.isdecimal() or not lowest <= int(value[:20]) <= highest:
        raise _malformed(name, f"expected a whole number from {lowest} to {highest}", value)
    return int(value)


def _malformed(name: str, expected: str, value: str) -> RequestError:
    return RequestError(MALFORMED, f"{name}: {expected}, got {value[:100]!r}", {"path": name})
