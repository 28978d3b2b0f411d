"""The role `tag_index` in memory."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from chekov.store.memory.history import History
from chekov.store.memory.nodes import MemoryNodes
from chekov.store.port import (
    Attended,
    MissingTags,
    SkippedEvent,
    TagFailure,
    TagKind,
    TagKindState,
)

_HEARD: Final = timedelta(minutes=1)
_ENDING: Final = timedelta(seconds=30)
"""For which a node that has left may finish its commands."""

_LEASED: Final = timedelta(seconds=30)


@dataclass(slots=True)
class _Writer:
    writes: Mapping[str, Collection[str]]
    heard: datetime

    def is_without(self, tag: TagKind) -> bool:
        kinds = self.writes.get(tag.type)
        return kinds is not None and tag.kind not in kinds


@dataclass(slots=True)
class _Row:
    position: int
    target: int | None = None
    older_seen: datetime | None = None
    owner: str | None = None
    leased: datetime | None = None
    failure: TagFailure | None = None

    @property
    def stopped(self) -> TagFailure | None:
        """The failure at which it does not go on."""
        failure = self.failure
        return failure if failure is not None and failure.position == self.position + 1 else None


class MemoryTagIndex:
    """A row per process that stores events, and a row per kind of tag.

    Args:
        clock: tells when a process was heard of.
        history: has the tags.
        nodes: those of them that are no writers are older than this role.
    """

    def __init__(self, clock: Callable[[], datetime], history: History, nodes: MemoryNodes) -> None:
        self._now = clock
        self._history = history
        self._nodes = nodes
        self._writers: dict[str, _Writer] = {}
        self._rows: dict[TagKind, _Row] = {}
        self._skipped: dict[int, SkippedEvent] = {}
        history.on_erased = self._forget

    async def attend(
        self,
        writer: str,
        domain: str,
        writes: Mapping[str, Collection[str]],
        wanted: Collection[TagKind],
    ) -> Attended:
        """Be heard of, and look at kinds of tags."""
        now, head = self._now(), self._history.head
        own = self._writers[writer] = _Writer(writes, now)
        living = {id_: each for id_, each in self._writers.items() if each.heard > now - _HEARD}
        withdrawn = 0
        for tag, row in self._rows.items():
            if row.target is not None and own.is_without(tag):
                row.target = None
                withdrawn += len(living) > 1
        stored = self._history.types()
        for tag in wanted:
            self._rows.setdefault(tag, _Row(0 if tag.type in stored else head))
        older = [
            id_ for id_ in self._nodes.heard_since(domain, now - _HEARD) if id_ not in self._writers
        ]
        kinds: list[TagKindState] = []
        for tag in sorted(wanted):
            row = self._rows[tag]
            without = sorted(id_ for id_, each in living.items() if each.is_without(tag))
            _settle(row, head, now, blocked=bool(without), older=bool(older))
            _claim(row, head, now, writer)
            kinds.append(
                replace(
                    self._state(tag, row), without=(*older, *without), owned=row.owner == writer
                )
            )
        return Attended(kinds, head, withdrawn)

    async def add(
        self,
        writer: str,
        kinds: Collection[TagKind],
        missing: Sequence[MissingTags],
        through: int,
        failed: Sequence[TagFailure] = (),
        *,
        after: int = 0,
    ) -> bool:
        """Write tags of stored events."""
        rows = {tag: self._rows[tag] for tag in kinds if tag in self._rows}
        if len(rows) < len(kinds) or any(
            row.owner != writer or row.position < after for row in rows.values()
        ):
            return False
        stops: dict[str, TagFailure] = {}
        for failure in sorted(failed):
            event = self._history.at(failure.position)
            is_erased = event is None or event.type != failure.type
            if not is_erased and failure.position not in self._skipped:
                stops.setdefault(failure.type, failure)
        for tag, row in rows.items():
            stop = stops.get(tag.type)
            last = through if stop is None else min(through, stop.position - 1)
            row.position = max(row.position, last)
            row.failure = stop or row.failure
            row.leased = self._now() + _LEASED
        for event, tags, key in missing:
            self._history.add_tags(event.position, event.type, tags, key)
        return True

    async def leave(self, writer: str) -> None:
        """Store no events any more."""
        self._writers.pop(writer, None)
        for row in self._rows.values():
            if row.owner == writer:
                row.owner = row.leased = None

    async def kinds(self) -> Sequence[TagKindState]:
        """Every kind that a process wanted."""
        return [self._state(tag, row) for tag, row in sorted(self._rows.items())]

    async def skip(self, position: int, reason: str) -> SkippedEvent | None:
        """Let decisions overlook the event at which kinds of tags have stopped."""
        for row in self._rows.values():
            if row.stopped is not None and row.stopped.position == position:
                if position in self._skipped:
                    return None
                found = SkippedEvent(*row.stopped, reason, self._now())
                self._skipped[position] = found
                return found
        return None

    async def unskip(self, position: int) -> bool:
        """Make the tags of an event that was skipped after all."""
        found = self._skipped.pop(position, None)
        for tag, row in self._rows.items():
            if found is not None and tag.type == found.type:
                row.position = min(row.position, position - 1)
        return found is not None

    async def skipped(self) -> Sequence[SkippedEvent]:
        """All events that are skipped, by position."""
        return sorted(self._skipped.values())

    def _forget(self, position: int) -> None:
        """Keep nothing that is said of an erased event: an error may quote what it held."""
        self._skipped.pop(position, None)
        for row in self._rows.values():
            if row.failure is not None and row.failure.position == position:
                row.failure = None

    def _state(self, tag: TagKind, row: _Row) -> TagKindState:
        skipped = sum(each.type == tag.type for each in self._skipped.values())
        return TagKindState(tag, row.position, row.target, stopped=row.stopped, skipped=skipped)


def _settle(row: _Row, head: int, now: datetime, *, blocked: bool, older: bool) -> None:
    """Say from which position on every event has the tag, if that is so."""
    if older:
        row.target, row.older_seen = None, now
    elif blocked:
        row.target = None
    elif row.target is None and (row.older_seen is None or row.older_seen < now - _ENDING):
        row.target = head


def _claim(row: _Row, head: int, now: datetime, writer: str) -> None:
    if row.position >= (head if row.target is None else row.target):
        return
    if row.owner in (None, writer) or (row.leased is not None and row.leased < now):
        row.owner, row.leased = writer, now + _LEASED
