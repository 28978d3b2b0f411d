"""One method per message type: marked by a decorator, found by the annotation of its parameter.

Aggregates, command handlers, event handlers and projections share this mechanism.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_type_hints

from chekov.domain.messages import Message, event_types

F = TypeVar("F", bound=Callable[..., Any])

_MARK: Final = "__chekov_role__"


@dataclass(frozen=True, slots=True)
class Method:
    """A marked method as its class declares it."""

    role: str
    name: str
    function: Callable[..., Any]
    messages: tuple[type[Message], ...]
    """The message types its parameter takes."""
    parameters: tuple[tuple[str, Any], ...]
    """Name and annotation of each parameter after `self`."""
    returns: Any

    @property
    def is_async(self) -> bool:
        """Whether it was written with `async def`."""
        return inspect.iscoroutinefunction(self.function)


def mark(role: str, function: F) -> F:
    """Give `function` a role; nothing else about it changes."""
    setattr(function, _MARK, role)
    return function


def marked(owner: type, faults: list[str]) -> tuple[Method, ...]:
    """All marked methods of a class, its bases included; what is wrong is added to `faults`."""
    found: list[Method] = []
    for name, function in _functions(owner):
        role = getattr(function, _MARK, None)
        if role is None:
            continue
        method = _read(owner, name, str(role), function, faults)
        if method is not None:
            found.append(method)
    return tuple(found)


def by_message(
    owner: type, methods: tuple[Method, ...], faults: list[str]
) -> dict[type[Message], Method]:
    """Message type → the one method for it; a second one is a fault."""
    table: dict[type[Message], Method] = {}
    for method in methods:
        for message in method.messages:
            other = table.setdefault(message, method)
            if other is not method:
                faults.append(
                    f"{owner.__qualname__}.{method.name} and .{other.name} both take "
                    f"{message.__qualname__}: keep one"
                )
    return table


def _functions(owner: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    seen: set[str] = set()
    for base in owner.__mro__:
        for name, value in vars(base).items():
            if name not in seen and inspect.isfunction(value):
                seen.add(name)
                yield name, value


def _read(
    owner: type, name: str, role: str, function: Callable[..., Any], faults: list[str]
) -> Method | None:
    label = f"{owner.__qualname__}.{name}"
    try:
        hints = get_type_hints(function)
    except NameError as error:
        faults.append(f"{label}: an annotation names what is not defined in its module: {error}")
        return None
    names = list(inspect.signature(function).parameters)[1:]
    parameters = tuple((parameter, hints.get(parameter)) for parameter in names)
    messages: tuple[type[Message], ...] = ()
    if role != "query":
        kinds = event_types(parameters[0][1]) if parameters else ()
        messages = tuple(kind for kind in kinds if issubclass(kind, Message))
        if not messages or len(messages) != len(kinds):
            faults.append(
                f"{label}: annotate its first parameter with the message type it takes, "
                "or a union of them"
            )
            return None
    return Method(role, name, function, messages, parameters, hints.get("return"))
