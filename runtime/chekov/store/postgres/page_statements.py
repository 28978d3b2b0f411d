"""Which statement reads a page of everything: the one whose index leaves out most."""

from collections.abc import Collection
from typing import Final, NamedTuple
from uuid import UUID

from chekov.store.filters import category_prefix, joint_prefix, next_prefix
from chekov.store.port import Direction
from chekov.store.validation import NAME_BYTES, is_name

_BEYOND: Final = chr(0x10FFFF) * NAME_BYTES
"""No name is above it."""


class PageStatement(NamedTuple):
    """A statement, and its parameters after the start and the limit."""

    statement: str
    values: tuple[object, ...] = ()


def page_query(
    direction: Direction,
    *,
    types: Collection[str] | None,
    category: str | None,
    prefix: str | None,
    correlation_id: UUID | None,
    causation_id: UUID | None,
) -> PageStatement | None:
    """How to find events that meet all conditions; `None` when none can."""
    names = None if types is None else sorted({name for name in types if is_name(name)})
    begins = joint_prefix(prefix or "", "" if category is None else category_prefix(category))
    if begins is None or (begins and not is_name(begins)) or names == []:
        return None
    values = (names, begins or None, correlation_id, causation_id)
    if causation_id is not None:
        return PageStatement(f"causation_{direction}", values)
    if correlation_id is not None:
        return PageStatement(f"correlation_{direction}", values)
    if names is not None:
        return PageStatement(f"types_{direction}", values)
    if "-" in begins:
        return PageStatement(f"category_{direction}", values)
    if begins:
        return PageStatement(f"prefix_{direction}", (*values, next_prefix(begins) or _BEYOND))
    return PageStatement(f"all_{direction}")
