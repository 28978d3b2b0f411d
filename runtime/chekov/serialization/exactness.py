"""Whether an event comes back from its bytes as it was given: by value and by type, at any depth.

Dataclasses do not check their fields, and serializers convert: a list where a tuple is annotated
comes back as a tuple, a `UUID` inside `Any` as text, `NaN` in an optional number as `None`. Such an
event would be one thing in the process that stored it and another one in every other.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from itertools import product
from math import isfinite, prod
from operator import attrgetter
from types import NoneType, UnionType
from typing import (
    Any,
    Final,
    NamedTuple,
    TypeAlias,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

import msgspec

from chekov.domain.personal import FORGOTTEN, unwrapped

_PLAIN: Final = frozenset({str, int, float, bool, NoneType, bytes, UUID, date, timedelta})
"""Types whose values are the same if they are equal and of the same type."""

_EXACT: Final = frozenset({str, int, bool, NoneType, bytes, UUID, Decimal, date})
"""Types whose every value is decoded by JSON and MessagePack to the same, if encoded."""


def _is_exact_time(value: datetime) -> bool:
    # Any other offset may come back as UTC.
    return value.tzinfo is UTC or (value.tzinfo is None and not value.fold)


_EXACT_IF: Final[Mapping[type, Callable[[Any], bool]]] = {
    float: isfinite,  # JSON has no other numbers
    datetime: _is_exact_time,
}
"""Types of which that is so for some values."""

_COMBINATIONS: Final = 64

_ABSENT: Final = object()


Checks: TypeAlias = tuple[tuple[int, Callable[[Any], bool]], ...]
"""For the values at some indexes, a function that says whether each comes back the same."""


class Difference(NamedTuple):
    """Where a value does not come back as it was given.

    Attributes:
        path: the field, and the way from there to the value, as `lines[0].price`.
    """

    path: str
    given: object
    back: object


def comparison(kind: type) -> Callable[[object, object], bool]:
    """Return a function that says whether two events of a type are the same.

    Fields of plain types are compared together, without a Python function for each: 0.4 µs for an
    event of two fields instead of 1.2 µs.
    """
    plain, others = _split(kind)
    take = _taker([*plain])
    annotated = tuple(plain.values())

    def same(given: object, back: object) -> bool:
        left, right = take(given), take(back)
        if left == right and (
            (*map(type, left),) == annotated or [*map(type, left)] == [*map(type, right)]
        ):
            for name in others:
                if difference(getattr(given, name), getattr(back, name), name) is not None:
                    return False
            return True
        return members_difference(kind, given, back) is None

    return same


def exact_types(kind: type) -> Mapping[tuple[type, ...], Checks]:
    """The types that the values of an event's fields may have, if these prove them the same.

    That is so for events which the built-in serializers decode exactly, and which nothing can
    change. For each combination, there are the values that have to be checked besides. There is
    none for any other event.
    """
    if hasattr(kind, "__post_init__"):
        return {}
    hints = get_type_hints(kind, include_extras=True)
    choices = [_exact_choices(hints[name]) for name in _members(kind)]
    if prod(map(len, choices)) > _COMBINATIONS:
        return {}
    return {
        types: tuple(
            (index, _EXACT_IF[item]) for index, item in enumerate(types) if item in _EXACT_IF
        )
        for types in product(*choices)
    }


def members_of(kind: type) -> Callable[[object], tuple[Any, ...]]:
    """A function that takes the values of an event's fields."""
    return _taker(_members(kind))


def members_difference(kind: type, given: object, back: object) -> Difference | None:
    """The first difference between two objects of a type with named members."""
    for name in _members(kind):
        left, right = getattr(given, name, _ABSENT), getattr(back, name, _ABSENT)
        found = difference(left, right, name)
        if found is not None:
            return found
    return None


def difference(given: Any, back: Any, path: str) -> Difference | None:
    """The first difference between a value and what its bytes are decoded to, or `None`."""
    kind = cast("type[object]", type(given))
    if kind is not type(back):
        return None if _stands_for(given, back) else Difference(path, given, back)
    if kind in _PLAIN:
        # `NaN` does not equal itself.
        same = given == back or repr(given) == repr(back)
        return None if same else Difference(path, given, back)
    compare = _COMPARISONS.get(kind)
    if compare is not None:
        return compare(given, back, path)
    if isinstance(given, Enum):
        return None if given == back else Difference(path, given, back)
    for base, compare in _COMPARISONS.items():
        if isinstance(given, base):
            return compare(given, back, path)
    if _members(kind):
        found = members_difference(kind, given, back)
        return found and found._replace(path=f"{path}.{found.path}")
    if kind.__eq__ is object.__eq__:
        return difference(vars(given), vars(back), path)
    return None if given == back else Difference(path, given, back)


def _time_difference(given: Any, back: Any, path: str) -> Difference | None:
    """The instant counts: MessagePack makes every offset UTC, and no format keeps a zone's name."""
    if given.tzinfo is back.tzinfo:
        same = given == back and given.fold == back.fold
    elif None in (given.tzinfo, back.tzinfo):
        same = False
    elif isinstance(given, datetime):
        same = given.astimezone(UTC) == back.astimezone(UTC)
    else:
        same = given == back
    return None if same else Difference(path, given, back)


def _decimal_difference(given: Decimal, back: Decimal, path: str) -> Difference | None:
    return None if str(given) == str(back) else Difference(path, given, back)


def _sequence_difference(given: Sequence[Any], back: Any, path: str) -> Difference | None:
    if len(given) != len(back):
        return Difference(path, given, back)
    types = [*map(type, given)]
    if _PLAIN.issuperset(types) and given == back and types == [*map(type, back)]:
        return None
    for index, (left, right) in enumerate(zip(given, back, strict=True)):
        found = difference(left, right, f"{path}[{index}]")
        if found is not None:
            return found
    return None


def _mapping_difference(given: Mapping[Any, Any], back: Any, path: str) -> Difference | None:
    found = _set_difference(given.keys(), back.keys(), path)
    if found is not None:
        return Difference(path, given, back)
    for key, value in given.items():
        found = difference(value, back[key], f"{path}[{key!r}]")
        if found is not None:
            return found
    return None


def _set_difference(given: Collection[Any], back: Collection[Any], path: str) -> Difference | None:
    own = {_key(item): item for item in back}
    for item in given:
        other = own.get(_key(item), _ABSENT)
        # A number that is not one differs from itself, and is found by identity only.
        if other is _ABSENT or difference(item, other, path) is not None:
            return Difference(path, given, back)
    return None if len(given) == len(own) else Difference(path, given, back)


def _key(item: Any) -> Any:
    """What finds an item of a set again: a time in a repeated hour equals none of another zone."""
    if isinstance(item, datetime) and item.tzinfo is not None:
        return item.astimezone(UTC)
    return item


def _stands_for(given: Any, back: Any) -> bool:
    """Whether a value comes back as one of another type that type checkers take for the same."""
    if type(given) is int and type(back) is float:
        return given == back
    if isinstance(given, UUID) and type(back) is UUID:
        return given == back  # asyncpg returns a faster subclass
    # As `Personal` promises for a field that may be `None`.
    return given is FORGOTTEN and back is None


_COMPARISONS: Final[Mapping[type, Callable[[Any, Any, str], Difference | None]]] = {
    datetime: _time_difference,
    time: _time_difference,
    Decimal: _decimal_difference,
    list: _sequence_difference,
    tuple: _sequence_difference,
    dict: _mapping_difference,
    set: _set_difference,
    frozenset: _set_difference,
}


def _members(kind: type[Any]) -> Sequence[str]:
    """The names of the members of a dataclass, a `msgspec.Struct` or an attrs class."""
    if is_dataclass(kind):
        return tuple(item.name for item in fields(kind))
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    attributes: Any = vars(kind).get("__attrs_attrs__", ())
    return tuple(item.name for item in attributes)


def _split(kind: type) -> tuple[Mapping[str, Any], Sequence[str]]:
    """The fields that hold plain values only, with their annotations, and the others."""
    hints = get_type_hints(kind, include_extras=True)
    names = _members(kind)
    plain = {name: unwrapped(hints[name]) for name in names if _is_plain(hints[name])}
    return plain, [name for name in names if name not in plain]


def _is_plain(hint: Any) -> bool:
    hint = unwrapped(hint)
    if get_origin(hint) in (Union, UnionType):
        return all(_is_plain(item) for item in get_args(hint))
    return hint in _PLAIN or hint is None


def _exact_choices(hint: Any) -> tuple[type, ...]:
    """The types of an annotation, if each is exact; constraints in `Annotated` make it inexact."""
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    items = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    types = tuple(NoneType if item is None else item for item in items)
    return types if all(map(_is_exact, types)) else ()


def _is_exact(item: Any) -> bool:
    return isinstance(item, type) and (
        item in _EXACT
        or item in _EXACT_IF
        or (issubclass(item, Enum) and not issubclass(item, Flag))
    )


def _taker(names: Sequence[str]) -> Callable[[object], tuple[Any, ...]]:
    """A function that takes the values of attributes, as a tuple whatever their number."""
    if len(names) > 1:
        return attrgetter(*names)
    if names:
        take = attrgetter(names[0])
        return lambda item: (take(item),)
    return lambda _: ()
