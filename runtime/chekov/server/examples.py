"""A plausible value for a type, so that a first request can be shown and really works."""

import enum
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID, uuid4

_DEEPEST: Final = 6

_PLAIN: Final[Mapping[object, Callable[[], object]]] = {
    int: lambda: 10,
    float: lambda: 1.5,
    bool: lambda: True,
    bytes: lambda: "",
    UUID: lambda: str(uuid4()),
    Decimal: lambda: "10.00",
    datetime: lambda: datetime.now(UTC).isoformat(timespec="seconds"),
    date: lambda: datetime.now(UTC).date().isoformat(),
    time: lambda: "12:00:00",
    timedelta: lambda: "PT1H",
    type(None): lambda: None,
}


def sample(kind: type, depth: int = 0) -> dict[str, object]:
    """A JSON object that fits a dataclass; fields with a default are left out."""
    hints = get_type_hints(kind)
    needed: list[Field[Any]] = [
        item
        for item in fields(cast("Any", kind))
        if item.default is MISSING and item.default_factory is MISSING
    ]
    return {item.name: _value(hints[item.name], item.name, depth + 1) for item in needed}


def _value(annotation: Any, name: str, depth: int) -> object:
    if annotation in _PLAIN:
        return _PLAIN[annotation]()
    if annotation is str:
        return name.replace("_", "-")
    if isinstance(annotation, type) and depth < _DEEPEST:
        kind = cast("type[object]", annotation)
        if issubclass(kind, enum.Enum):
            return next(iter(kind)).value
        if is_dataclass(kind):
            return sample(kind, depth)
    return _composed(annotation, name, depth)


def _composed(annotation: Any, name: str, depth: int) -> object:
    origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if origin is Literal:
        return arguments[0]
    if origin in (Union, types.UnionType):
        return _value(arguments[0], name, depth)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {}
    if isinstance(origin, type) and issubclass(origin, Sequence | set | frozenset):
        if origin is tuple and ... not in arguments:
            return [_value(item, name, depth) for item in arguments]
        return []
    return name
