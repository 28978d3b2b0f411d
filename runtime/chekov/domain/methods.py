"""One method per message type: marked by a decorator, found by the annotation of its parameter.

Aggregates and all kinds of handlers share this mechanism.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar, get_type_hints

from chekov.domain.command_context import CommandContext
from chekov.domain.context import Batch, batch_fault, in_batch
from chekov.domain.messages import Command, Event, Message, event_types
from chekov.domain.timers import Timer

F = TypeVar("F", bound=Callable[..., Any])

_MARK: Final = "__chekov_role__"
_BATCH: Final = "__chekov_batch__"
_BASES: Final = (Message, Event, Command, Timer)
_TAKE_ALL: Final = ("handle", "partition")
"""The roles of methods that may take `Event`, which stands for all of them."""


class Parameter(NamedTuple):
    """A parameter of a marked method.

    Attributes:
        annotation: `None` when there is none.
    """

    name: str
    annotation: Any
    required: bool
    keyword_only: bool


@dataclass(frozen=True, slots=True)
class Method:
    """A marked method as its class declares it.

    Attributes:
        messages: the message types that its first parameter takes.
        parameters: those after `self`.
        batch: how many messages it takes at once; `None` when it takes them one by one.
    """

    role: str
    name: str
    function: Callable[..., Any]
    messages: tuple[type[Message], ...]
    parameters: tuple[Parameter, ...]
    returns: Any
    batch: Batch | None = None

    @property
    def is_coroutine(self) -> bool:
        """Whether it is written with `async def`, without `yield`."""
        return inspect.iscoroutinefunction(self.function)

    @property
    def is_async(self) -> bool:
        """Whether it is written with `async def`, with or without `yield`."""
        return self.is_coroutine or inspect.isasyncgenfunction(self.function)

    @property
    def context_place(self) -> int | None:
        """The index of the parameter that takes a `CommandContext`, if there is one."""
        places = (
            place
            for place, item in enumerate(self.parameters)
            if CommandContext in event_types(item.annotation)
        )
        return next(places, None)


def mark(role: str, function: F) -> F:
    """Give `function` a role; nothing else about it changes."""
    setattr(function, _MARK, role)
    return function


def mark_batch(function: F, batch: Any) -> F:
    """Note how many messages `function` takes at once."""
    setattr(function, _BATCH, batch)
    return function


def marked(owner: type, roles: tuple[str, ...], faults: list[str]) -> tuple[Method, ...]:
    """The marked methods of a class and its bases, of which it takes these roles."""
    found: list[Method] = []
    for name, value in _members(owner):
        function = getattr(value, "__func__", value)
        role = getattr(value, _MARK, None) or getattr(function, _MARK, None)
        if role is None:
            continue
        label = f"{owner.__qualname__}.{name}"
        if role not in roles:
            known = " and ".join(f"@{known}" for known in roles)
            faults.append(f"{label} is marked @{role}, which has no effect in a class with {known}")
        elif value is not function:
            faults.append(f"{label} must be a plain method, not a {type(value).__name__}")
        else:
            method = _read(label, name, str(role), function, faults)
            if method is not None:
                found.append(method)
    return tuple(found)


def by_message(
    owner: type, methods: Iterable[Method], faults: list[str]
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


def check_messages(
    owner: type, method: Method, kind: type[Message], verb: str, faults: list[str]
) -> None:
    """Refuse a method whose parameter takes messages of another kind."""
    article = "an" if kind.__name__[0] in "AEIO" else "a"
    faults.extend(
        f"{owner.__qualname__}.{method.name} {verb} {message.__qualname__}, which is not "
        f"{article} {kind.__name__}"
        for message in method.messages
        if not issubclass(message, kind)
    )


def _members(owner: type) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for base in owner.__mro__:
        for name, value in vars(base).items():
            if name not in seen and (
                inspect.isfunction(value) or isinstance(value, staticmethod | classmethod)
            ):
                seen.add(name)
                yield name, value


def _read(
    label: str, name: str, role: str, function: Callable[..., Any], faults: list[str]
) -> Method | None:
    try:
        hints = get_type_hints(function)
    except NameError as error:
        faults.append(f"{label}: an annotation names what is not defined in its module: {error}")
        return None
    parameters = tuple(
        Parameter(
            item.name,
            hints.get(item.name),
            item.default is item.empty,
            item.kind is item.KEYWORD_ONLY,
        )
        for item in list(inspect.signature(function).parameters.values())[1:]
    )
    messages: tuple[type[Message], ...] = ()
    batch: Any = getattr(function, _BATCH, None)
    if batch is not None and (fault := batch_fault(batch)):
        faults.append(f"{label}: {fault}")
        return None
    if role != "query":
        annotation = parameters[0].annotation if parameters else None
        kinds = event_types(annotation if batch is None else in_batch(annotation))
        messages = tuple(kind for kind in kinds if issubclass(kind, Message))
        base = next((kind for kind in messages if kind in _BASES), None)
        if base is not None and not (role in _TAKE_ALL and base is Event):
            faults.append(
                f"{label} takes {base.__name__}, the base class: name the types it takes, "
                "or a union of them"
            )
            return None
        if not messages or len(messages) != len(kinds):
            wanted = "the message type it takes, or a union of them"
            if batch is not None:
                wanted = "Sequence[Delivered[…]] of the event type it takes, or a union of them"
            faults.append(f"{label}: annotate its first parameter with {wanted}")
            return None
    takes = None if batch is None else Batch(*batch)
    return Method(role, name, function, messages, parameters, hints.get("return"), takes)
