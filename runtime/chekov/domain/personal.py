"""Personal data in events: marked fields, their subject, and what is left when it is forgotten."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Optional,
    TypeAlias,
    TypeVar,
    get_args,
    get_type_hints,
)
from uuid import UUID

from chekov.domain.definitions import definition_of
from chekov.domain.field_hints import field_hints
from chekov.domain.messages import Event

T = TypeVar("T")


class Forgotten(Enum):
    """The type of `FORGOTTEN`, its one instance."""

    # As an enum, checkers narrow `value is FORGOTTEN`, copies stay the same, and JSON has `null`.
    FORGOTTEN = None

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "[forgotten]"

    def __repr__(self) -> str:
        return "FORGOTTEN"


FORGOTTEN: Final = Forgotten.FORGOTTEN
"""The value of a personal field whose subject was forgotten: false, `[forgotten]` as text."""


@dataclass(frozen=True, slots=True)
class PersonalMark:
    """Marks the annotation of a personal field.

    Attributes:
        type: the annotation inside `Personal[…]`.
    """

    type: Any


if TYPE_CHECKING:
    Personal: TypeAlias = T | Forgotten
else:

    class Personal:
        """The type of a field of an `Event` that is stored encrypted, with a key of its subject.

        Type checkers see `Personal[str]` as `str | Forgotten`. Once the subject was forgotten, the
        field reads as `FORGOTTEN`. A `FORGOTTEN` that is put into a new event stays one, or becomes
        `None` in a field that may be `None`.
        """

        def __class_getitem__(cls, item: Any) -> Any:
            """The annotation, for decoders one of an optional value."""
            return Annotated[Optional[item], PersonalMark(item)]  # noqa: UP045 it may be a string


@dataclass(frozen=True, slots=True)
class PersonalFields:
    """The personal fields of an event type.

    Attributes:
        names: all of them.
        required: those that are never `None`.
        subject: the field that says whom they are about; `None` when the stream's name does.
    """

    names: tuple[str, ...]
    required: tuple[str, ...]
    subject: str | None


def personal_events(
    events: Iterable[type[Event]], faults: list[str]
) -> Mapping[type[Event], PersonalFields]:
    """The event types with personal fields."""
    found: dict[type[Event], PersonalFields] = {}
    for kind, own in field_hints(events):
        marks = _marks(own)
        faults.extend(
            f"{kind.__qualname__}.{name}: Personal is inside its annotation, where it protects "
            "nothing: mark the whole field, as in `Personal[list[str]]`"
            for name, hint in own.items()
            if _is_inside(hint)
        )
        _check_subject(kind, own, marks, faults)
        if marks:
            found[kind] = PersonalFields(
                tuple(marks), _required(marks), definition_of(kind).subject
            )
    return found


def required_fields(kind: type) -> tuple[str, ...]:
    """The personal fields of a dataclass that are never `None`, so that `null` is `FORGOTTEN`."""
    hints = get_type_hints(kind, include_extras=True)
    return _required(_marks({item.name: hints[item.name] for item in fields(kind)}))


def _marks(hints: Mapping[str, Any]) -> dict[str, PersonalMark]:
    return {name: mark for name, hint in hints.items() if (mark := _mark(hint)) is not None}


def _required(marks: Mapping[str, PersonalMark]) -> tuple[str, ...]:
    return tuple(name for name, mark in marks.items() if not _allows_none(mark.type))


def _mark(hint: object) -> PersonalMark | None:
    metadata: tuple[object, ...] = getattr(hint, "__metadata__", ())
    return next((mark for mark in metadata if isinstance(mark, PersonalMark)), None)


def _allows_none(hint: object) -> bool:
    if isinstance(hint, str):
        return "None" in hint or "Optional" in hint
    return hint in (None, Any) or type(None) in get_args(hint)


def _is_inside(hint: object) -> bool:
    """Whether a part of an annotation is marked, but not the annotation as a whole."""
    seen: set[type] = set()

    def parts(item: Any) -> Iterable[Any]:
        yield from get_args(item)
        if isinstance(item, type) and is_dataclass(item) and item not in seen:
            seen.add(item)
            with suppress(NameError, TypeError):  # the codec reports it
                yield from get_type_hints(item, include_extras=True).values()

    def holds_mark(item: object) -> bool:
        return any(_mark(part) is not None or holds_mark(part) for part in parts(item))

    return holds_mark(hint)


def _check_subject(
    kind: type[Event],
    hints: Mapping[str, Any],
    marks: Mapping[str, PersonalMark],
    faults: list[str],
) -> None:
    name = definition_of(kind).subject
    if name is None:
        return
    if name not in hints:
        faults.append(f"{kind.__qualname__}: subject {name!r} is not one of its fields")
    elif name in marks:
        faults.append(
            f"{kind.__qualname__}: its subject {name!r} is personal, so it would be encrypted with "
            "the key that it has to find: name a field with an id"
        )
    elif unwrapped(hints[name]) not in (str, int, UUID):
        faults.append(f"{kind.__qualname__}: its subject {name!r} must be a str, an int or a UUID")


def unwrapped(hint: Any) -> Any:
    """The type that `NewType` and `Annotated` are made of."""
    while hasattr(hint, "__supertype__") or hasattr(hint, "__metadata__"):
        hint = getattr(hint, "__supertype__", None) or hint.__origin__
    return hint
