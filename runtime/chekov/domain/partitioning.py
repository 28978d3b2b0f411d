"""What a handler's events are put into partitions by, and keep their order by: stream or key."""

from collections.abc import Callable, Collection, Iterator, Mapping
from hashlib import sha256
from types import CodeType
from typing import Any, Concatenate, Final, Literal, ParamSpec, TypeVar, cast
from uuid import UUID

from chekov.domain.context import Context
from chekov.domain.messages import Event
from chekov.domain.methods import Method, check_messages, mark
from chekov.domain.names import NAME_BYTES, is_name
from chekov.errors import ChekovError

H = TypeVar("H")
E = TypeVar("E", bound=Event)
P = ParamSpec("P")
K = TypeVar("K", bound=str | int | UUID)

PartitionBy = Literal["stream"]

BY_STREAM: Final = "stream"
"""What handlers without a method marked `@partition` say in place of a digest."""

_DIGITS: Final = 16


class InvalidPartitionKey(ChekovError, TypeError):
    """A method marked `@partition` has returned what cannot be a key."""


def partition(method: Callable[Concatenate[H, E, P], K]) -> Callable[Concatenate[H, E, P], K]:
    """Mark the method that returns the key of each event of its parameter's type, or union.

    The events of one key are handled in order; the key decides their partition, and which later
    events wait after one that is parked. It is a `str`, an `int` or a `UUID`, and must be the same
    each time that the event is read. A second parameter, annotated `Context`, is given the context
    of the event.
    """
    return mark("partition", method)


def key_text(label: str, key: object) -> str:
    """The text of what a method returned as a key.

    Args:
        label: names the method.
        key: what it returned.

    Raises:
        InvalidPartitionKey: it is no key.
    """
    if isinstance(key, bool) or not isinstance(key, str | int | UUID):
        raise InvalidPartitionKey(
            f"{label} returned {key!r:.60} of type {type(key).__qualname__}: return the key of the "
            "event, a str, an int or a UUID"
        )
    text = str(key)
    if not is_name(text):
        raise InvalidPartitionKey(
            f"{label} returned {key!r:.60}: a key has 1 to {NAME_BYTES} bytes of UTF-8, without NUL"
        )
    return text


def partition_faults(
    owner: type,
    keys: Mapping[type[Event], Method],
    handled: Collection[type[Event]],
    partition_by: PartitionBy | None,
) -> list[str]:
    """What is wrong with the methods marked `@partition`, and with the keyword `partition_by`.

    Args:
        owner: the class.
        keys: event type → the method that returns its key.
        handled: the event types that the class handles.
        partition_by: as the class says; `None` if it does not.
    """
    name = owner.__qualname__
    faults: list[str] = []
    if partition_by not in (None, BY_STREAM):
        faults.append(
            f"{name}: partition_by {partition_by!r} is not 'stream': for another key, mark a "
            "method that returns it with @partition"
        )
    for method in dict.fromkeys(keys.values()):
        _check_method(owner, method, faults)
        if partition_by is not None:
            faults.append(
                f"{name}.{method.name} is marked @partition, but the class says partition_by="
                f"{partition_by!r}: keep one"
            )
    if keys:
        faults.extend(
            f"{name} handles {kind.__qualname__}, but no method marked @partition takes it: each "
            "event that it handles needs a key"
            for kind in handled
            if not any(base in keys for base in kind.__mro__)
        )
    return faults


def _check_method(owner: type, method: Method, faults: list[str]) -> None:
    label = f"{owner.__qualname__}.{method.name}"
    if method.is_async:
        faults.append(f"{label} must be a plain method without `async`: it only returns a key")
    check_messages(owner, method, Event, "returns the key of", faults)
    context = method.parameters[1:]
    if len(context) > 1 or any(item.annotation is not Context for item in context):
        faults.append(
            f"{label} takes the event and, if need be, a second parameter annotated Context"
        )


def takes_context(method: Method) -> bool:
    """Whether a method marked `@partition` takes the context too."""
    return len(method.parameters) > 1


def keyed_by(keys: Mapping[type[Event], Method]) -> str:
    """What tells whether two releases of a handler have the same keys.

    That is a digest of the code of the methods, without that of what they call. It differs between
    versions of Python, too.
    """
    if not keys:
        return BY_STREAM
    digest = sha256()
    for kind, method in sorted(keys.items(), key=lambda item: item[0].__qualname__):
        parts = kind.__qualname__, method.name, *_parts(method.function)
        digest.update("\0".join(parts).encode(errors="backslashreplace"))
    return digest.hexdigest()[:_DIGITS]


def _parts(function: Callable[..., Any]) -> Iterator[str]:
    code: CodeType = function.__code__
    yield from _parts_of_code(code, without=function.__doc__)


def _parts_of_code(code: CodeType, *, without: str | None = None) -> Iterator[str]:
    """What a function does, without where it is written and what is said about it."""
    yield code.co_code.hex()
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts_of_code(constant)
        elif isinstance(constant, frozenset):
            items = cast("frozenset[object]", constant)  # which processes order differently
            yield repr(sorted(map(repr, items)))
        elif without is None or constant != without:
            yield repr(constant)
