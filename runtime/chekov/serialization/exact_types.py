"""Which events are proved by the types of their values to come back from their bytes unchanged.

Looking at types costs less than decoding and comparing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, Flag
from itertools import product
from math import isfinite, prod
from types import NoneType, UnionType
from typing import Any, Final, TypeAlias, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from chekov.domain.tags import TagMark
from chekov.serialization.exactness import member_names

Check: TypeAlias = Callable[[Any], bool]
"""Whether a value comes back the same."""

Checks: TypeAlias = tuple[tuple[int, Check], ...]
"""For the values at some indexes, a function that says whether each comes back the same."""

_EXACT: Final = frozenset({str, int, bool, NoneType, bytes, UUID, Decimal, date})
"""Types whose every value is decoded by JSON and MessagePack to the same, if encoded."""


def _is_exact_time(value: datetime) -> bool:
    # Any other offset may come back as UTC.
    return value.tzinfo is UTC or (value.tzinfo is None and not value.fold)


_EXACT_IF: Final[Mapping[type, Check]] = {
    float: isfinite,  # JSON has no other numbers
    datetime: _is_exact_time,
}
"""Types of which that is so for some values."""

_COMBINATIONS: Final = 64

_EXACT_CONTAINERS: Final[Mapping[Any, tuple[type, ...]]] = {
    list: (list,),
    tuple: (tuple,),
    Sequence: (list, tuple),
}
"""Containers that come back the same if their items do, by the origins of annotations."""


def exact_types(kind: type) -> Mapping[tuple[type, ...], Checks]:
    """The types that the values of an event's fields may have, if these prove them the same.

    That is so for events which the built-in serializers decode exactly. For each combination, there
    are the values that have to be checked besides, such as the items of a list. There is none for
    any other event.
    """
    if hasattr(kind, "__post_init__"):
        return {}
    hints = get_type_hints(kind, include_extras=True)
    choices = [_exact_choices(hints[name]).items() for name in member_names(kind)]
    if prod(map(len, choices)) > _COMBINATIONS:
        return {}
    return {
        tuple(item for item, _ in chosen): tuple(
            (index, check) for index, (_, check) in enumerate(chosen) if check is not None
        )
        for chosen in product(*choices)
    }


def _exact_choices(hint: Any) -> Mapping[type, Check | None]:
    """The types of an annotation with the checks they need, if each is exact with them.

    Constraints in `Annotated` make it inexact.
    """
    while hasattr(hint, "__supertype__") or _is_only_tag(hint):
        hint = hint.__origin__ if _is_only_tag(hint) else hint.__supertype__
    found: dict[type, Check | None] = {}
    for item in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        exact = _exact(NoneType if item is None else item)
        if not exact:
            return {}
        found |= exact
    return found


def _is_only_tag(hint: Any) -> bool:
    marks: tuple[object, ...] = getattr(hint, "__metadata__", ())
    return bool(marks) and all(isinstance(mark, TagMark) for mark in marks)


def _exact(item: Any) -> Mapping[type, Check | None]:
    if isinstance(item, type) and get_origin(item) is None:
        if item in _EXACT_IF:
            return {item: _EXACT_IF[item]}
        exact = item in _EXACT or (issubclass(item, Enum) and not issubclass(item, Flag))
        return {item: None} if exact else {}
    kinds = _EXACT_CONTAINERS.get(get_origin(item), ())
    arguments = get_args(item)
    if not kinds or (kinds == (tuple,) and arguments[1:] != (...,)):
        return {}
    items = _exact_choices(arguments[0])
    return dict.fromkeys(kinds, _check_of_items(items)) if items else {}


def _check_of_items(choices: Mapping[type, Check | None]) -> Check:
    types = frozenset(choices)
    checks = {item: check for item, check in choices.items() if check is not None}
    if not checks:
        return lambda items: types.issuperset(map(type, items))

    def check(items: Collection[Any]) -> bool:
        return types.issuperset(map(type, items)) and all(
            checks[type(item)](item) for item in items if type(item) in checks
        )

    return check
