"""Messages: events, commands and the field that names a command's instance."""

from dataclasses import dataclass, field, fields
from types import UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    TypeAlias,
    TypeVar,
    Union,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from chekov.domain.keywords import refuse_unknown_keywords
from chekov.errors import DefinitionError

T = TypeVar("T")
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
    """

    name: str
    events: tuple[type[Event], ...] = ()


class Command(Message, Generic[E_co]):
    """A request to one aggregate instance. `Command[E]` names the event type, or union, it yields.

    Class keywords:
        name: its name in HTTP and in stored metadata; the class name when left out.
    """

    __chekov__: ClassVar[CommandDefinition] = CommandDefinition("")

    def __init_subclass__(cls, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__chekov__ = CommandDefinition(
            name=cls.__name__ if name is None else name, events=_yielded_events(cls)
        )


def event_types(annotation: Any) -> tuple[type, ...]:
    """The classes an annotation stands for: of itself, or of each member of a union."""
    annotation = getattr(annotation, "__value__", annotation)  # `type Ended = Left | Right`
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return tuple(member for member in get_args(annotation) if isinstance(member, type))
    return (annotation,) if origin is None and isinstance(annotation, type) else ()


def _yielded_events(command: type[Command[Any]]) -> tuple[type[Event], ...]:
    for base in getattr(command, "__orig_bases__", ()):
        if get_origin(base) is Command:
            found = event_types(get_args(base)[0])
            return tuple(kind for kind in found if issubclass(kind, Event))
    return ()


def identifier_fields(command: type[Command[Any]]) -> tuple[str, ...]:
    """Names of the fields annotated `Identifier[…]`."""
    try:
        hints = get_type_hints(command, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            command.__qualname__,
            [f"an annotation names what is not defined in its module: {error}"],
        ) from error
    marked = {name for name, hint in hints.items() if _is_identifier(hint)}
    return tuple(item.name for item in fields(cast("Any", command)) if item.name in marked)


def _is_identifier(hint: object) -> bool:
    return any(
        isinstance(mark, IdentifierMark) for mark in cast("Any", getattr(hint, "__metadata__", ()))
    )
