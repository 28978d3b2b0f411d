"""Tags: fields of events by which they are found across streams."""

from collections.abc import Iterable, Mapping
from typing import (
    Annotated,
    Final,
    TypeAlias,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from chekov.domain.field_hints import field_hints
from chekov.domain.messages import Event
from chekov.domain.personal import FORGOTTEN, PersonalMark
from chekov.domain.scope import tag_fault, tag_of
from chekov.errors import InvalidAppend

T = TypeVar("T")

_SEVERAL: Final = (list, tuple, set, frozenset)


class TagMark:
    """Marks the annotation of a field whose value is a tag."""


Tag: TypeAlias = Annotated[T, TagMark()]
"""The type of a field of an event by which scopes find it.

Type checkers see the type itself: `Tag[UUID]` is a `UUID`. It is a `str`, `int`, `UUID`, `date` or
`Enum`; `None` is no tag, and each item of a list, tuple or set is one. Events of different types
belong together by fields of the same name. A tag that is personal, `Tag[Personal[str]]`, is stored
as a hash, and is removed when its subject is forgotten.
"""


def tagged_events(
    events: Iterable[type[Event]], faults: list[str]
) -> Mapping[type[Event], tuple[str, ...]]:
    """The event types with tags → the names of the fields."""
    found: dict[type[Event], tuple[str, ...]] = {}
    for kind, own in field_hints(events):
        names = tuple(name for name, hint in own.items() if is_tag(hint))
        faults.extend(
            f"{kind.__qualname__}.{name}: Tag is inside its annotation, where it marks nothing: "
            "mark the whole field, as in `Tag[UUID | None]` or `Tag[list[UUID]]`"
            for name, hint in own.items()
            if name not in names and _is_inside(hint)
        )
        if names:
            found[kind] = names
    return found


def personal_kinds(
    tagged: Mapping[type[Event], tuple[str, ...]], faults: list[str]
) -> frozenset[str]:
    """The kinds of tags whose values are personal, which they are in every event or in none."""
    kinds: dict[str, tuple[type[Event], bool]] = {}
    for event, names in tagged.items():
        hints = get_type_hints(event, include_extras=True)
        for name in names:
            personal = any(isinstance(mark, PersonalMark) for mark in hints[name].__metadata__)
            other, said = kinds.setdefault(name, (event, personal))
            if said != personal:
                faults.append(
                    f"{event.__qualname__}.{name} and {other.__qualname__}.{name} are tags of one "
                    "kind, and only one of them is Personal: make both the same"
                )
    return frozenset(name for name, (_, personal) in kinds.items() if personal)


def is_tag(hint: object) -> bool:
    """Whether an annotation is marked as a tag."""
    marks: tuple[object, ...] = getattr(hint, "__metadata__", ())
    return any(isinstance(mark, TagMark) for mark in marks)


def tags_of(event: Event, names: Iterable[str]) -> tuple[str, ...]:
    """The tags that the fields of these names give an event, each once.

    Raises:
        InvalidAppend: a value cannot be a tag.
    """
    found: dict[str, None] = {}
    for name in names:
        value = getattr(event, name)
        several = isinstance(value, _SEVERAL)
        for item in cast("Iterable[object]", value) if several else (value,):
            if item is None or item is FORGOTTEN:
                continue
            fault = tag_fault(item)
            if fault is not None:
                raise InvalidAppend(f"{type(event).__qualname__}.{name}: {fault}")
            found[tag_of(name, item)] = None
    return tuple(found)


def _is_inside(hint: object) -> bool:
    parts = get_args(hint) if get_origin(hint) is not None else ()
    return any(is_tag(part) or _is_inside(part) for part in parts)
