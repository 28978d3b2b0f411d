"""Messages: events, commands and the field that names a command's instance."""

import inspect
from dataclasses import dataclass, field, fields
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    TypeAlias,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from chekov.errors import DefinitionError

T = TypeVar("T")
E_co = TypeVar("E_co", bound="Event", covariant=True)

REVISION_MARK: Final = "@"
"""Stands between the name and the revision in a stored name."""


class IdentifierMark:
    """Marks the annotation of the field that names a command's instance."""


Identifier: TypeAlias = Annotated[T, IdentifierMark()]
"""The type of the one field of a command that tells which instance it is for.

Checkers see the type itself: `Identifier[UUID]` is a `UUID`. The stream is named by the
aggregate's identity and `str()` of the value.
"""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Message:
    """What events and commands share: a frozen, keyword-only dataclass with a stored name."""

    # No ClassVar, and of any type: a message may have a field `name`, shown by its instances.
    name: Any = ""

    def __init_subclass__(cls, *, name: str | None = None, **kwargs: Any) -> None:
        """Make the subclass a frozen dataclass, stored under `name` or its own name."""
        super().__init_subclass__(**kwargs)
        if "name" in inspect.get_annotations(cls) and "name" not in vars(cls):
            # The stored name of the base class must not become the field's default.
            cls.name = field()
        dataclass(frozen=True, kw_only=True)(cls)
        cls.name = cls.__name__ if name is None else name


@dataclass(frozen=True, slots=True)
class Naming:
    """How the class statement of an event says that it is stored.

    Attributes:
        name: its name without a revision.
        aliases: other stored names that decode into it.
        revision: of its content, from 1.
    """

    name: str
    aliases: tuple[str, ...]
    revision: int

    @property
    def stored(self) -> str:
        """The name it is stored under."""
        return self.name if self.revision == 1 else f"{self.name}{REVISION_MARK}{self.revision}"


class Event(Message):
    """A fact. It is stored under its class name, or under `name=` of the class statement.

    Class keywords:
        name: the stored name; the class name when left out.
        aliases: further stored names whose events are read as this class, such as a former name.
        revision: 1, and one more whenever the content changes so that an upcaster has to turn
            the former content into the new one. From 2 on, the stored name is `name@revision`.
        subject: the field that tells whom its `Personal` fields are about: a `str`, an `int` or a
            `UUID`. The stream's name when left out.
    """

    __naming__: ClassVar[Naming] = Naming("", (), 1)
    __subject__: ClassVar[str | None] = None

    def __init_subclass__(
        cls,
        *,
        name: str | None = None,
        aliases: tuple[str, ...] = (),
        revision: int = 1,
        subject: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Make the subclass a frozen dataclass, note its stored names and whom it is about."""
        naming = Naming(cls.__name__ if name is None else name, aliases, revision)
        super().__init_subclass__(name=naming.stored, **kwargs)
        cls.__naming__ = naming
        if subject is not None:
            cls.__subject__ = subject


class Command(Message, Generic[E_co]):
    """A wish for one instance; its parameter names the event type, or union, that it yields."""


def event_types(annotation: object) -> tuple[type, ...]:
    """The classes an annotation stands for: of itself, or of each member of a union."""
    if isinstance(annotation, type):
        return (annotation,)
    return tuple(member for member in get_args(annotation) if isinstance(member, type))


def yielded_events(command: type[Command[Any]]) -> tuple[type[Event], ...]:
    """The event types that a command promises to yield, from `Command[…]`; empty when untold."""
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
