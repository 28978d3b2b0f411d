"""Messages: events, commands and the field that names a command's instance."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from math import inf
from types import UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Self,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from chekov.domain.keywords import refuse_unknown_keywords
from chekov.errors import DefinitionError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
C = TypeVar("C", bound="Command[Any]")
E_co = TypeVar("E_co", bound="Event", covariant=True)

REVISION_MARK: Final = "@"
"""Separates the name and the revision in a stored name."""


class IdentifierMark:
    """Marks the annotation of the field that names a command's instance."""


Identifier: TypeAlias = Annotated[T, IdentifierMark()]
"""The type of the one field of a command that identifies the instance it is for.

Type checkers see the type itself: `Identifier[UUID]` is a `UUID`. The stream is named by the
aggregate's identity and `str()` of the value. It is a `str`, `int`, `UUID`, `date` or `Enum`, the
same for all commands of an aggregate: of these, each value has one text.
"""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Message:
    """What events and commands share: a frozen, keyword-only dataclass."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        refuse_unknown_keywords(cls, kwargs)
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True)(cls)


@dataclass(frozen=True, slots=True)
class EventDefinition:
    """What the class statement of an event says.

    Attributes:
        name: the stored name of its events, `base_name@revision` from revision 2 on.
        base_name: the stored name without a revision.
        aliases: other stored names that decode into it.
        revision: of its content, from 1.
        subject: the field that names whom its personal fields are about; `None` when the stream's
            name does.
    """

    name: str
    base_name: str
    aliases: tuple[str, ...] = ()
    revision: int = 1
    subject: str | None = None


class Event(Message):
    """A fact. It is stored under its class name, or under `name=` of the class statement.

    Class keywords:
        name: the stored name; the class name when left out.
        aliases: further stored names whose events are read as this class, such as a former name.
        revision: 1, and one more whenever the content changes in a way that needs an upcaster from
            the former content to the new one. From 2 on, the stored name is `name@revision`.
        subject: the field that says whom its `Personal` fields are about: a `str`, an `int` or a
            `UUID`; that of the base class, or the stream's name, when left out.
    """

    __chekov__: ClassVar[EventDefinition] = EventDefinition("", "")

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        aliases: tuple[str, ...] = (),
        revision: int = 1,
        subject: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        base = cls.__name__ if name is None else name
        cls.__chekov__ = EventDefinition(
            name=base if revision == 1 else f"{base}{REVISION_MARK}{revision}",
            base_name=base,
            aliases=aliases,
            revision=revision,
            subject=cls.__chekov__.subject if subject is None else subject,
        )


@dataclass(frozen=True, slots=True)
class CommandDefinition:
    """What the class statement of a command says.

    Attributes:
        name: its name in HTTP and in stored metadata.
        events: the event types that it promises to yield; empty when it does not say.
        timeout: seconds it may take unless its sender says otherwise; `None` for the runtime's.
    """

    name: str
    events: tuple[type[Event], ...] = ()
    timeout: float | None = None


class Command(Message, Generic[E_co]):
    """A request to one aggregate instance. `Command[E]` names the event type, or union, it yields.

    Class keywords:
        name: its name in HTTP and in stored metadata; the class name when left out.
        timeout: seconds it may take, unless its sender says otherwise; that of the base class, or
            the runtime's, when left out.

    Its values can be checked in `__post_init__`: what raises `ValueError` there is refused as
    `InvalidCommand` where commands are decoded.
    """

    __chekov__: ClassVar[CommandDefinition] = CommandDefinition("")

    def __init_subclass__(
        cls, *, name: str | None = None, timeout: float | None = None, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        if timeout is None:
            timeout = cls.__chekov__.timeout
        elif fault := timeout_fault(timeout):
            raise DefinitionError(cls.__qualname__, [fault])
        cls.__chekov__ = CommandDefinition(
            name=cls.__name__ if name is None else name,
            events=_yielded_events(cls),
            timeout=timeout,
        )


def timeout_fault(timeout: object) -> str | None:
    """Why a time-out of a class statement cannot be used, if it cannot."""
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if number and 0 < cast("float", timeout) < inf:
        return None
    return f"timeout={timeout!r:.60} must be a number of seconds greater than 0"


def event_types(annotation: Any) -> tuple[type, ...]:
    """The classes an annotation stands for: of itself, or of each member of a union."""
    annotation = getattr(annotation, "__value__", annotation)  # `type Ended = Left | Right`
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return tuple(member for member in get_args(annotation) if isinstance(member, type))
    return (annotation,) if origin is None and isinstance(annotation, type) else ()


def _yielded_events(command: type[Command[Any]]) -> tuple[type[Event], ...]:
    """The event types that a command promises, by itself or through a base class."""
    found = event_types(_argument(command))
    return tuple(kind for kind in found if issubclass(kind, Event))


def _argument(command: Any) -> Any:
    """What a class statement, or one of its bases, says for the parameter of `Command`.

    A generic base, such as `class CopyCommand(Command[E], Generic[E])`, says a type variable, for
    which `CopyCommand[CopyLent]` has another argument.
    """
    # Not `getattr`: without a generic base of its own, a class shows that of a base class.
    bases: tuple[Any, ...] = command.__dict__.get("__orig_bases__", command.__bases__)
    for base in bases:
        origin: Any = get_origin(base) or base
        arguments = get_args(base)
        if origin is Command:
            return arguments[0] if arguments else None
        if isinstance(origin, type) and issubclass(origin, Command):
            found = _argument(origin)
            parameters: tuple[Any, ...] = getattr(cast("Any", origin), "__parameters__", ())
            given: dict[Any, Any] = dict(zip(parameters, arguments, strict=False))
            if isinstance(found, TypeVar):
                return given.get(found)
            inner = getattr(found, "__parameters__", ())
            if inner and all(item in given for item in inner):
                return found[tuple(given[item] for item in inner)]
            return found
    return None


class Identified(Generic[T_co]):
    """A method of a command that is read like a field and identifies its instance."""

    def __init__(self, method: Callable[[Any], T_co]) -> None:
        self.method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, command: None, owner: type) -> Self: ...
    @overload
    def __get__(self, command: Command[Any], owner: type) -> T_co: ...
    def __get__(self, command: Command[Any] | None, owner: type) -> Self | T_co:
        return self if command is None else self.method(command)

    def __set__(self, command: object, value: object) -> None:
        raise AttributeError("an identifier that is computed cannot be set")


def identifier(method: Callable[[C], T]) -> Identified[T]:
    """Mark the method of a command that makes the identifier of its instance of several fields.

    It is read without parentheses, like the property it becomes, and annotated with the type that
    it returns. Different values of the fields must make different identifiers.
    """
    return Identified(method)


def identifier_hint(command: type[Command[Any]], name: str) -> Any:
    """The annotation of an identifier: of the field, or of what the method returns.

    Raises:
        NameError: it names what is not defined in its module.
    """
    found = getattr(command, name, None)
    if isinstance(found, Identified):
        method: Any = cast("Identified[Any]", found).method
        return get_type_hints(method).get("return")
    return get_type_hints(command)[name]


def identifier_fields(command: type[Command[Any]]) -> tuple[str, ...]:
    """Names of the fields annotated `Identifier[…]`, and of methods marked `@identifier`."""
    try:
        hints = get_type_hints(command, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            command.__qualname__,
            [f"an annotation names what is not defined in its module: {error}"],
        ) from error
    marked = {name for name, hint in hints.items() if _is_identifier(hint)}
    found = [item.name for item in fields(cast("Any", command)) if item.name in marked]
    found += [name for name in dir(command) if isinstance(getattr(command, name, None), Identified)]
    return tuple(found)


def _is_identifier(hint: object) -> bool:
    return any(
        isinstance(mark, IdentifierMark) for mark in cast("Any", getattr(hint, "__metadata__", ()))
    )
