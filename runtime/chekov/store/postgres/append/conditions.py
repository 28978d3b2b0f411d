"""Tags and conditions of appends: as parameters, as outcomes, and inside one statement."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from chekov.domain.scope import Scope, is_hashed
from chekov.errors import StoreError, WrongExpectedVersion
from chekov.serialization.conditions import scope_items
from chekov.serialization.json import from_json, to_json
from chekov.store.port import ConditionAhead, ConditionFailed, NewEvent

if TYPE_CHECKING:
    from chekov.store.postgres.append.batch import Group, Pending  # which needs this module


class Checks(NamedTuple):
    """Parameters of the statement `append_checked`, after those of `append_many`."""

    tags: Sequence[str] | None
    events: Sequence[int] | None
    types: Sequence[str] | None
    keys: Sequence[UUID | None] | None
    scopes: str | None
    unchanged: str | None


def checks(groups: "Sequence[Group]") -> Checks:
    """The tags of all events, and the conditions of all appends; what is not used is `None`."""
    rows: list[tuple[str, int, str, UUID | None]] = []
    scopes: list[bytes] = []
    unchanged: list[dict[str, Any]] = []
    number = 0
    for n, group in enumerate(groups, 1):
        for pending in group:
            for number, event in enumerate(pending.events, number + 1):  # noqa: B020 it counts on
                rows += [
                    (tag, number, event.type, key)
                    for tag, key in zip(event.tags, tag_keys(event), strict=True)
                ]
            if pending.condition is not None:
                scope, after, anchor = pending.condition
                known = "null" if anchor is None else f'"{anchor}"'
                place = f'{{"n":{n},"after":{after},"anchor":{known},'.encode()
                # Each item is an object that has members.
                scopes += [place + item[1:] for item in scope_items(scope)]
            if pending.unchanged is not None:
                unchanged += [
                    {"n": n, "stream": stream, "version": version}
                    for stream, version in pending.unchanged.items()
                ]
    tags, events, types, keys = zip(*rows, strict=True) if rows else (None,) * 4
    return Checks(
        tags,
        events,
        types,
        keys,
        (b"[" + b",".join(scopes) + b"]").decode() if scopes else None,
        to_json(unchanged).decode() if unchanged else None,
    )


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
        self._tagged: defaultdict[str, list[tuple[str, Collection[str]]]] = defaultdict(list)
        self._streams: set[str] = set()
        for pending in pendings:
            self.add(pending)

    def add(self, pending: "Pending") -> None:
        """Note the events of an append."""
        self._streams.add(pending.stream)
        for event in pending.events:
            self._types.add(event.type)
            for tag in event.tags:
                self._tagged[tag].append((event.type, event.tags))

    def concern(self, pending: "Pending") -> bool:
        """Whether an append's conditions are about any of the events."""
        if pending.unchanged is not None and not self._streams.isdisjoint(pending.unchanged):
            return True
        return pending.condition is not None and self._may_hold(pending.condition.scope)

    def _may_hold(self, scope: Scope) -> bool:
        for item in scope.items:
            if not item.tags:
                if not item.types.isdisjoint(self._types):
                    return True
                continue
            tag = next(iter(item.tags))
            if tag in self._tagged and any(item.matches(*event) for event in self._tagged[tag]):
                return True
        return False
