"""Tags and conditions of appends: as parameters, as outcomes, and inside one statement."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from chekov.domain.scope import Scope, is_hashed
from chekov.errors import StoreError, WrongExpectedVersion
from chekov.serialization.conditions import RECENT_SCOPES
from chekov.serialization.json import from_json
from chekov.store.port import ConditionAhead, ConditionFailed, NewEvent, NoneSince

if TYPE_CHECKING:
    from chekov.store.postgres.append.batch import Group, Pending  # which needs this module


class Checks(NamedTuple):
    """Parameters of the statement `append_checked`, after those of `append_many`.

    Most are array literals: asyncpg takes 0.2 to 0.3 µs for each element of a list, and 0.05 to
    0.13 µs of a literal. With them, and without JSON, 256 conditional appends in flight take a
    fifth less processor time.

    Attributes:
        tags: of all events, with the number of the event, its type and the key of the tag.
        appends: the append that each condition is of, with its position and anchor.
        items: the condition that each item of a scope is of, with one of its tags, or an empty
            text, and the numbers of its types and of its other tags in `sets`; 0 for none.
        guards: the append that expects a stream unchanged, with its name and version.
    """

    tags: str | None
    tag_events: str | None
    tag_types: str | None
    tag_keys: Sequence[UUID | None] | None
    appends: str | None
    after: str | None
    anchors: Sequence[UUID | None] | None
    items: str | None
    item_tags: str | None
    item_types: str | None
    item_others: str | None
    sets: Sequence[str] | None
    guards: str | None
    guard_streams: str | None
    guard_versions: str | None


def checks(groups: "Sequence[Group]") -> Checks:
    """The tags of all events, and the conditions of all appends; what is not used is `None`."""
    tags = _Tags()
    conditions = _Conditions()
    guards: list[tuple[int, str, int]] = []
    number = 0
    for n, group in enumerate(groups, 1):
        for pending in group:
            for number, event in enumerate(pending.events, number + 1):  # noqa: B020 it counts on
                if event.tags:
                    tags.add(number, event)
            if pending.condition is not None:
                conditions.add(n, pending.condition)
            if pending.unchanged is not None:
                guards += [(n, stream, version) for stream, version in pending.unchanged.items()]
    appends, streams, versions = zip(*guards, strict=True) if guards else ((), (), ())
    guarded = _numbers(appends), _texts(streams), _numbers(versions)
    return Checks._make((*tags.columns(), *conditions.columns(), *guarded))


class _Tags:
    """The columns of the tags of all events."""

    def __init__(self) -> None:
        self._tags: list[str] = []
        self._events: list[int] = []
        self._types: list[str] = []
        self._keys: list[UUID | None] = []

    def add(self, number: int, event: NewEvent) -> None:
        count = len(event.tags)
        self._tags += event.tags
        self._events += (number,) * count
        self._types += (event.type,) * count
        self._keys += (None,) * count if event.tag_key is None else tag_keys(event)

    def columns(self) -> tuple[str | None, str | None, str | None, Sequence[UUID | None] | None]:
        keys = self._keys if any(self._keys) else None
        return _texts(self._tags), _numbers(self._events), _texts(self._types), keys


class _Item(NamedTuple):
    """An item of a scope, whose sets of names are array literals."""

    tag: str
    types: str | None
    others: str | None


@lru_cache(maxsize=RECENT_SCOPES)
def _items(scope: Scope) -> Sequence[_Item]:
    """The items of a scope; those of recent ones are kept."""
    found: list[_Item] = []
    for types, tags in scope.items:
        tag, *others = sorted(tags) or ("",)
        found.append(_Item(tag, _texts(sorted(types)), _texts(others)))
    return found


class _Conditions:
    """The columns of the conditions of all appends, and of the items of their scopes."""

    def __init__(self) -> None:
        self._appends: list[int] = []
        self._after: list[int] = []
        self._anchors: list[UUID | None] = []
        self._items: list[int] = []
        self._tags: list[str] = []
        self._types: list[int] = []
        self._others: list[int] = []
        self._sets: dict[str | None, int] = {None: 0}

    def add(self, append: int, condition: NoneSince) -> None:
        self._appends.append(append)
        self._after.append(condition.position)
        self._anchors.append(condition.anchor)
        number, sets = len(self._appends), self._sets
        for tag, types, others in _items(condition.scope):
            self._items.append(number)
            self._tags.append(tag)
            self._types.append(sets.setdefault(types, len(sets)))
            self._others.append(sets.setdefault(others, len(sets)))

    def columns(self) -> tuple[Any, ...]:
        return (
            _numbers(self._appends),
            _numbers(self._after),
            self._anchors if any(self._anchors) else None,
            _numbers(self._items),
            _texts(self._tags),
            _numbers(self._types),
            _numbers(self._others) if any(self._others) else None,
            [each for each in self._sets if each is not None] or None,
        )


def _numbers(values: Sequence[int]) -> str | None:
    """Numbers as an array literal; `None` without any."""
    return f"{{{','.join(map(str, values))}}}" if values else None


def _texts(values: Sequence[str]) -> str | None:
    """Texts as an array literal; `None` without any."""
    if not values:
        return None
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') > 2 * (len(values) - 1):
        joined = '","'.join(value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return f'{{"{joined}"}}'


def tag_keys(event: NewEvent) -> Sequence[UUID | None]:
    """For each tag of an event, the key that it goes with."""
    key = event.tag_key
    return [None if key is None or not is_hashed(tag) else key for tag in event.tags]


def failures(answer: str | None) -> Mapping[int, Mapping[str, Any]]:
    """The number of each append whose condition failed → what it met."""
    return {} if answer is None else {each["n"]: each for each in from_json(answer)}


def condition_error(failed: Mapping[str, Any], pending: "Pending") -> StoreError:
    """The error of an append that was refused for what its condition met."""
    stream = pending.stream
    if failed["position"] is not None:
        return ConditionFailed(stream, failed["position"], failed["type"])
    if failed["stream"] is not None:
        other, unchanged = failed["stream"], pending.unchanged or {}
        return WrongExpectedVersion(other, unchanged[other], failed["version"])
    position = 0 if pending.condition is None else pending.condition.position
    return ConditionAhead(position, failed["version"])


class TakenEvents:
    """The events that a statement carries so far, to find what a further append must not join.

    The statement checks all conditions before it stores anything. So none may follow what it could
    be about.
    """

    def __init__(self, pendings: "Iterable[Pending]") -> None:
        self._types: set[str] = set()
        self._tags: set[str] = set()
        self._streams: set[str] = set()
        for pending in pendings:
            self.add(pending)

    def add(self, pending: "Pending") -> None:
        """Note the events of an append."""
        self._streams.add(pending.stream)
        for event in pending.events:
            self._types.add(event.type)
            self._tags.update(event.tags)

    def concern(self, pending: "Pending") -> bool:
        """Whether an append's conditions may be about any of the events.

        That is assumed of a scope's item as soon as its tags are there, if on several events.
        """
        if pending.unchanged is not None and not self._streams.isdisjoint(pending.unchanged):
            return True
        return pending.condition is not None and any(
            item.tags <= self._tags and not (item.types and item.types.isdisjoint(self._types))
            for item in pending.condition.scope.items
        )
