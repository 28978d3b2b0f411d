"""Which annotations and values are deeply immutable, so that two owners may share them."""

from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from chekov.domain.personal import unwrapped

_SCALARS: Final = (
    bool, int, float, complex, str, bytes, NoneType, UUID, Decimal, date, datetime, time, timedelta,
)  # fmt: skip


def is_immutable(hint: Any, within: tuple[type, ...] = ()) -> bool:
    """Whether every value of an annotation is immutable, provided that it has exactly that type.

    Args:
        hint: the annotation.
        within: the dataclasses that it is part of.
    """
    hint = unwrapped(hint)
    origin = get_origin(hint)
    if origin is Literal or hint is None or hint in within:
        return True
    if origin in (Union, UnionType, tuple, frozenset):
        return all(item is ... or is_immutable(item, within) for item in get_args(hint))
    if not isinstance(hint, type) or get_args(hint):
        return False
    kind = cast("type[object]", hint)
    return issubclass(kind, (*_SCALARS, Enum)) or (
        is_frozen(kind) and has_immutable_fields(kind, within)
    )


def has_immutable_fields(kind: type, within: tuple[type, ...] = ()) -> bool:
    """Whether every field of a dataclass is annotated with an immutable type."""
    try:
        hints = get_type_hints(kind, include_extras=True)
    except (NameError, TypeError):  # reported by the codec
        return False
    return all(is_immutable(hints[item.name], (*within, kind)) for item in fields(kind))


def is_frozen(kind: type) -> bool:
    """Whether a class is a frozen dataclass."""
    return is_dataclass(kind) and cast("Any", kind).__dataclass_params__.frozen


def is_immutable_value(value: object) -> bool:
    """Whether a value consists of scalars, enums, tuples and frozensets only."""
    if type(value) in (tuple, frozenset):
        return all(map(is_immutable_value, cast("tuple[object, ...]", value)))
    return type(value) in _SCALARS or isinstance(value, Enum)
