"""Which events are proved by the types of their values to come back from their bytes unchanged.

Looking at types costs less than decoding and comparing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, Flag
from itertools import product
from math import isfinite, prod
from types import NoneType, UnionType
from typing import Any, Final, TypeAlias, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from chekov.domain.tags import TagMark
from chekov.serialization.exactness import member_names, members_of

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


_EXACT_KEYS: Final = frozenset({str, int, UUID})
"""Types of the keys of mappings of which that is so too."""


def exact_types(kind: type, within: tuple[type, ...] = ()) -> Mapping[tuple[type, ...], Checks]:
    """The types that the values of an event's fields may have, if these prove them the same.

    That is so for events which the built-in serializers decode exactly. For each combination, there
    are the values that have to be checked besides, such as the items of a list. There is none for
    any other event.

    Args:
        kind: of the event, or of a dataclass in it.
        within: the types that it is part of.
    """
    if hasattr(kind, "__post_init__") or kind in within:
        return {}
    hints = get_type_hints(kind, include_extras=True)
    found = _Exact((*within, kind))
    choices = [found.choices(hints[name]).items() for name in member_names(kind)]
    if prod(map(len, choices)) > _COMBINATIONS:
        return {}
    return {
        tuple(item for item, _ in chosen): tuple(
            (index, check) for index, (_, check) in enumerate(chosen) if check is not None
        )
        for chosen in product(*choices)
    }


class _Exact:
    """Finds the exact types of annotations.

    Args:
        within: the types that these are part of.
    """

    def __init__(self, within: tuple[type, ...]) -> None:
        self._within = within

    def choices(self, hint: Any) -> Mapping[type, Check | None]:
        """The types of an annotation with the checks they need, if each is exact with them.

        Constraints in `Annotated` make it inexact.
        """
        while hasattr(hint, "__supertype__") or _is_only_tag(hint):
            hint = hint.__origin__ if _is_only_tag(hint) else hint.__supertype__
        found: dict[type, Check | None] = {}
        for item in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
            exact = self._exact(NoneType if item is None else item)
            if not exact:
                return {}
            found |= exact
        return found

    def _exact(self, item: Any) -> Mapping[type, Check | None]:
        origin, arguments = get_origin(item), get_args(item)
        if isinstance(item, type) and origin is None:
            return self._exact_class(item)
        if origin in (dict, Mapping):
            return self._exact_mapping(*arguments)
        kinds = _EXACT_CONTAINERS.get(origin, ())
        if not kinds or (kinds == (tuple,) and arguments[1:] != (...,)):
            return {}
        items = self.choices(arguments[0])
        return dict.fromkeys(kinds, _check_of_items(items)) if items else {}

    def _exact_class(self, kind: type) -> Mapping[type, Check | None]:
        if kind in _EXACT_IF:
            return {kind: _EXACT_IF[kind]}
        if kind in _EXACT or _is_enum(kind):
            return {kind: None}
        if not is_dataclass(kind) or not all(item.init for item in fields(kind)):
            return {}
        types = exact_types(kind, self._within)
        return {kind: _check_of_members(kind, types)} if types else {}

    def _exact_mapping(self, key: Any, value: Any) -> Mapping[type, Check | None]:
        keys, values = self.choices(key), self.choices(value)
        if not values or not keys or not _EXACT_KEYS.issuperset(keys):
            return {}
        check_keys, check_values = _check_of_items(keys), _check_of_items(values)

        def check(items: Mapping[Any, Any]) -> bool:
            return check_keys(items) and check_values(items.values())

        return {dict: check}


def _is_enum(kind: type) -> bool:
    return issubclass(kind, Enum) and not issubclass(kind, Flag)


def _is_only_tag(hint: Any) -> bool:
    marks: tuple[object, ...] = getattr(hint, "__metadata__", ())
    return bool(marks) and all(isinstance(mark, TagMark) for mark in marks)


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


def _check_of_members(kind: type, types: Mapping[tuple[type, ...], Checks]) -> Check:
    take = members_of(kind)

    def check(item: object) -> bool:
        values = take(item)
        checks = types.get((*map(type, values),))
        return checks is not None and all(check(values[index]) for index, check in checks)

    return check
