"""The role `tag_index` in memory."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chekov.store.memory.history import History
from chekov.store.memory.nodes import MemoryNodes
from chekov.store.port import Attended, MissingTags, TagKind, TagKindState

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
                TagKindState(
                    tag,
                    row.position,
                    row.target,
                    (*older, *without),
                    owned=row.owner == writer,
                )
            )
        return Attended(kinds, head, withdrawn)

    async def add(
        self, writer: str, kinds: Collection[TagKind], missing: Sequence[MissingTags], through: int
    ) -> bool:
        """Write tags of stored events."""
        rows = [self._rows[tag] for tag in kinds if tag in self._rows]
        if len(rows) < len(kinds) or any(row.owner != writer for row in rows):
            return False
        for row in rows:
            row.position = max(row.position, through)
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
        return [
            TagKindState(tag, row.position, row.target) for tag, row in sorted(self._rows.items())
        ]


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
