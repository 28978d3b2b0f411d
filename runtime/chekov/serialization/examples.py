"""Example values of types: for OpenAPI documents and for first requests."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import inf
from typing import Any, Final
from uuid import uuid4

import msgspec
from msgspec import inspect

_DEEPEST: Final = 6

_EXAMPLES: Final[Mapping[type[inspect.Type], Callable[[], Any]]] = {
    inspect.NoneType: lambda: None,
    inspect.BoolType: lambda: True,
    inspect.BytesType: lambda: "",
    inspect.ByteArrayType: lambda: "",
    inspect.MemoryViewType: lambda: "",
    inspect.UUIDType: lambda: str(uuid4()),
    inspect.DecimalType: lambda: "10.00",
    inspect.DateType: lambda: datetime.now(UTC).date().isoformat(),
    inspect.TimeDeltaType: lambda: "PT1H",
}

_Record = (
    inspect.DataclassType | inspect.NamedTupleType | inspect.StructType | inspect.TypedDictType
)


def example(type_: type) -> dict[str, Any] | None:
    """A JSON object that can be read as `type_`; fields with a default are left out.

    `None` if no valid one was found, as for a string that has to match a pattern.
    """
    try:
        value = _value(inspect.type_info(type_), type_.__name__, 0)
        msgspec.json.decode(msgspec.json.encode(value), type=type_)
    except (TypeError, ValueError, NameError):  # msgspec's own errors are values' errors
        return None
    return value


def _value(info: inspect.Type, name: str, depth: int) -> Any:
    """An example for a field called `name`, which is also the text of plain strings."""
    if depth > _DEEPEST:
        raise ValueError("a type that requires itself has no finite value")
    match info:
        case inspect.Metadata():
            return _value(info.type, name, depth)
        case inspect.UnionType():
            return _value(_option(info, depth), name, depth)
        case inspect.NamedTupleType():
            return [_value(item.type, item.name, depth + 1) for item in _required(info)]
        case inspect.DataclassType() | inspect.StructType() | inspect.TypedDictType():
            return {
                item.encode_name: _value(item.type, item.name, depth + 1)
                for item in _required(info)
            }
        case inspect.TupleType():
            return [_value(item, name, depth) for item in info.item_types]
        case (
            inspect.ListType()
            | inspect.SetType()
            | inspect.FrozenSetType()
            | inspect.VarTupleType()
        ):
            return [_value(info.item_type, name, depth) for _ in range(info.min_length or 0)]
        case inspect.DictType():
            return {}
        case _:
            return _plain(info, name)


def _plain(info: inspect.Type, name: str) -> Any:
    match info:
        case inspect.IntType():
            return _number(info, 10)
        case inspect.FloatType():
            return _number(info, 1.5)
        case inspect.LiteralType():
            return info.values[0]
        case inspect.EnumType():
            return next(iter(info.cls)).value
        case inspect.DateTimeType():
            zone = None if info.tz is False else UTC
            return datetime.now(UTC).replace(tzinfo=zone).isoformat(timespec="seconds")
        case inspect.TimeType():
            return "12:00:00Z" if info.tz else "12:00:00"
        case inspect.StrType():
            text = name.replace("_", "-").ljust(info.min_length or 0, "-")
            return text[: info.max_length]
        case _:
            return _EXAMPLES.get(type(info), lambda: name)()


def _required(info: _Record) -> list[inspect.Field]:
    return [item for item in info.fields if item.required]


def _option(union: inspect.UnionType, depth: int) -> inspect.Type:
    """The first type, or the simplest once the nesting is deep."""
    plain = [item for item in union.types if isinstance(item, inspect.NoneType)]
    return plain[0] if depth == _DEEPEST and plain else union.types[0]


def _number(info: inspect.IntType | inspect.FloatType, default: float) -> float:
    """`default`, or a number near the bounds if these exclude it."""
    low = next((bound for bound in (info.ge, info.gt) if bound is not None), -inf)
    high = next((bound for bound in (info.le, info.lt) if bound is not None), inf)
    step = info.multiple_of or 1
    candidates = (default, low, low + step, high, high - step, (low + high) / 2)
    aligned = (
        value - value % info.multiple_of if info.multiple_of else value
        for value in candidates
        if abs(value) < inf
    )
    return next((value for value in aligned if _within(info, value)), default)


def _within(info: inspect.IntType | inspect.FloatType, value: float) -> bool:
    return (
        (info.ge is None or value >= info.ge)
        and (info.gt is None or value > info.gt)
        and (info.le is None or value <= info.le)
        and (info.lt is None or value < info.lt)
    )
