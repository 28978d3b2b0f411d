"""Whether a state can be put back by copying its fields, or must be rebuilt from its events."""

from dataclasses import fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from chekov.domain.aggregate import Aggregate

_SCALARS = (
    bool, int, float, complex, str, bytes, NoneType, UUID, Decimal, date, datetime, time, timedelta,
)  # fmt: skip


def restorable(aggregate: type[Aggregate]) -> bool:
    """Whether every field holds values that cannot change in place."""
    hints = get_type_hints(aggregate)
    return all(_immutable(hints[item.name]) for item in fields(cast("Any", aggregate)))


def _immutable(hint: object) -> bool:
    if isinstance(hint, type) and not get_args(hint):
        return issubclass(hint, (*_SCALARS, Enum))
    origin = get_origin(hint)
    if origin is Literal:
        return True
    if origin in (Union, UnionType, tuple, frozenset):
        return all(item is ... or _immutable(item) for item in get_args(hint))
    return False
