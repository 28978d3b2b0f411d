"""Which statement reads a page of the log: the one whose index leaves out most."""

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
    values = (names, prefix or None, filter.correlation, filter.causation, stream)
    if filter.causation is not None:
        index = "causation"
    elif filter.correlation is not None:
        index = "correlation"
    elif stream is not None:
        index = "in_stream"
    elif names is not None:
        index = "types"
    elif "-" in prefix:
        index = "category"
    elif prefix:
        index, values = "prefix", (*values, next_prefix(prefix) or _BEYOND)
    else:
        index, values = "all", ()
    return PageStatement(f"{index}_{direction}", values)
