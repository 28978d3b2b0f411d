"""Scopes: which stored events a decision depends on."""

from collections.abc import Callable, Collection
from enum import Enum
from typing import Final, NamedTuple

from chekov.domain.identifiers import is_nameable
from chekov.domain.messages import Event
from chekov.errors import InvalidArgument

TAG_MARK: Final = ":"
"""Separates the kind and the value in a tag, such as `course_id:7`."""

HASH_MARK: Final = "#"
"""Separates the kind and the hash in a tag whose value is personal."""


def tag_of(kind: str, value: object) -> str:
    """The tag that a field `kind` with this value gives an event: of an Enum, what is stored."""
    return f"{kind}{TAG_MARK}{value.value if isinstance(value, Enum) else value}"


def tag_fault(value: object) -> str | None:
    """Why a value cannot be a tag, if it cannot."""
    if is_nameable(value):
        return None
    return (
        f"a tag is a str, int, UUID, date or Enum, so that it has one text; got {value!r:.60} of "
        f"type {type(value).__qualname__}"
    )


def is_hashed(tag: str) -> bool:
    """Whether a tag holds a hash in place of a personal value."""
    return HASH_MARK in tag.partition(TAG_MARK)[0]


class ScopeItem(NamedTuple):
    """Events of some types that carry some tags.

    A tuple, as is a scope: they are looked up for each decision, and hashed in a sixth of the time
    that a dataclass takes.

    Attributes:
        types: stored names, one of which the event has; empty for any.
        tags: the event carries all of them.
    """

    types: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    def matches(self, type_: str, tags: Collection[str]) -> bool:
        """Whether an event of a type and with tags is meant."""
        return (not self.types or type_ in self.types) and self.tags.issubset(tags)


class Scope(NamedTuple):
    """The events that any of its items matches.

    Attributes:
        items: one or more; none of them is empty.
    """

    items: tuple[ScopeItem, ...]

    @classmethod
    def of(cls, *events: type[Event], **tags: object) -> "Scope":
        """The events of some types that carry all of these tags.

        Args:
            events: one or more types.
            tags: the name of a field that is a `Tag`, with its value; without any, all events of
                the types.

        Raises:
            InvalidArgument: there are no types, or a value cannot be a tag.
        """
        if not events:
            raise InvalidArgument("a scope without event types: name those it depends on")
        for name, value in tags.items():
            fault = tag_fault(value)
            if fault is not None:
                raise InvalidArgument(f"the tag {name} of a scope: {fault}")
        return cls(
            (
                ScopeItem(
                    types=frozenset(kind.__chekov__.name for kind in events),
                    tags=frozenset(tag_of(name, value) for name, value in tags.items()),
                ),
            )
        )

    def map(
        self,
        types: Callable[[frozenset[str]], frozenset[str]],
        tags: Callable[[frozenset[str]], frozenset[str]] = lambda tags: tags,
    ) -> "Scope":
        """The scope with other types and tags in its items."""
        return Scope(tuple(ScopeItem(types(item.types), tags(item.tags)) for item in self.items))

    def __or__(self, other: "Scope") -> "Scope":
        return Scope(tuple(dict.fromkeys((*self.items, *other.items))))

    def matches(self, type_: str, tags: Collection[str]) -> bool:
        """Whether an event of a type and with tags is in the scope."""
        return any(item.matches(type_, tags) for item in self.items)
