"""Which statement reads a page of the log: the one whose index leaves out most."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from chekov.domain.event_filter import EventFilter
from chekov.domain.names import NAME_BYTES, is_name
from chekov.store.filters import category_prefix, common_prefix, next_prefix
from chekov.store.port import Direction

_BEYOND: Final = chr(0x10FFFF) * NAME_BYTES
"""Sorts after every name."""


class PageStatement(NamedTuple):
    """A statement, and its parameters after the start and the limit."""

    statement: str
    values: tuple[object, ...] = ()


def page_statement(filter: EventFilter, direction: Direction) -> PageStatement | None:
    """The statement that finds the events that match; `None` when no event can."""
    if filter.is_open:
        return PageStatement(f"all_{direction}")
    names = None if filter.types is None else sorted(name for name in filter.types if is_name(name))
    stream = filter.stream
    category = "" if filter.category is None else category_prefix(filter.category)
    prefix = common_prefix(filter.prefix or "", category)
    if names == [] or prefix is None or (prefix and not is_name(prefix)):
        return None
    if stream is not None and not (is_name(stream) and stream.startswith(prefix)):
        return None
    index, *further = _index(filter, names, prefix)
    values = (names, prefix or None, filter.correlation, filter.causation, stream)
    return PageStatement(f"{index}_{direction}", (*values, *further) if index != "all" else ())


def _index(filter: EventFilter, names: Sequence[str] | None, prefix: str) -> Sequence[str]:
    """The index that leaves out most, and what only its statement needs."""
    if filter.caused_by is not None:
        return "caused_by", str(filter.caused_by)
    if filter.causation is not None:
        return ("causation",)
    if filter.correlation is not None:
        return ("correlation",)
    if filter.stream is not None:
        return ("in_stream",)
    if names is not None:
        return ("types",)
    if "-" in prefix:
        return ("category",)
    return ("prefix", next_prefix(prefix) or _BEYOND) if prefix else ("all",)
