"""Identifiers, times and arguments as parts of addresses."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import cast

from chekov.client.transport import Call
from chekov.domain.aggregate import Aggregate
from chekov.domain.definitions import definition_of
from chekov.errors import InvalidArgument
from chekov.serialization.json import to_json


def state_call(
    aggregate: type[Aggregate] | str, identifier: object, at: int | datetime | None
) -> Call:
    """The request for the state of an instance.

    Raises:
        InvalidArgument: `at` is a time without a zone.
    """
    identity = aggregate if isinstance(aggregate, str) else definition_of(aggregate).identity
    path = ("aggregates", identity, text(identifier))
    if at is None:
        return Call("GET", path)
    if isinstance(at, datetime):
        return Call("GET", path, [("time", moment("at", at))])
    return Call("GET", path, [("version", str(at))])


def query_parameters(arguments: Mapping[str, object]) -> Sequence[tuple[str, str]]:
    """The arguments of a query as parameters; several for a list.

    Raises:
        InvalidArgument: JSON cannot hold one of them.
    """
    found: list[tuple[str, str]] = []
    for name, value in arguments.items():
        if isinstance(value, list | tuple | set | frozenset):
            items = cast("Iterable[object]", value)
            found += [(name, text(item)) for item in items]
        elif value is not None:
            found.append((name, text(value)))
    return found


def text(value: object) -> str:
    """A value as text: that of JSON, without quotes.

    Raises:
        InvalidArgument: JSON cannot hold it.
    """
    if isinstance(value, Enum):
        return text(value.value)
    if isinstance(value, str):
        return value
    try:
        return to_json(value).decode().strip('"')
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"{value!r:.80} cannot be a part of an address: {error}") from error


def moment(name: str, time: datetime) -> str:
    """A time as a parameter.

    Raises:
        InvalidArgument: it has no zone.
    """
    if time.tzinfo is None:
        raise InvalidArgument(f"{name}={time.isoformat()}: expected a time with a zone, as UTC")
    return time.isoformat()
