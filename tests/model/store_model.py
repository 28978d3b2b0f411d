"""The specification of a store in its simplest form: one list, scanned each time.

It shares nothing with the store in memory. What may go wrong with a call is a set of errors: which
of several faults a store reports first is its own choice.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from chekov.errors import (
    DuplicateCommand,
    DuplicateEvent,
    EventNotFound,
    InvalidAppend,
    StoreError,
    StreamDeleted,
    StreamExists,
    StreamNotFound,
    WrongExpectedVersion,
)
from chekov.store.port import Expected, NewEvent, RecordedEvent, Snapshot, StreamAppend

Errors = set[type[StoreError]]


@dataclass(frozen=True, slots=True)
class Entry:
    """An event of the model."""

    stream: str
    version: int
    id: UUID
    type: str
    data: bytes
    metadata: bytes | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    time: datetime | None = None
    """`None` for events that took the store's clock."""
    leads_to: int | None = None
    """The position that a link stands for."""


@dataclass(slots=True)
class Model:
    """Everything that was stored, by position; and what was done to streams besides."""

    log: list[Entry] = field(default_factory=list[Entry])
    firsts: dict[str, int] = field(default_factory=dict[str, int])
    snapshots: dict[str, Snapshot] = field(default_factory=dict[str, Snapshot])
    links: dict[str, list[Entry]] = field(default_factory=dict[str, list[Entry]])
    """Every link that was ever made, by stream: the id of an erased one stays taken."""

    def version(self, stream: str) -> int:
        return max((entry.version for entry in self.log if entry.stream == stream), default=0)

    def is_deleted(self, stream: str) -> bool:
        return any(entry.stream == stream and entry.type == "$deleted" for entry in self.log)

    def readable(self) -> list[str]:
        names = {entry.stream for entry in self.log} - {"$erased"}
        return sorted((name for name in names if not self.is_deleted(name)), key=str.encode)

    def first(self, stream: str) -> int:
        return self.firsts.get(stream, 1)

    def refusals(
        self, append: StreamAppend, command_id: UUID | None = None, taken: Collection[UUID] = ()
    ) -> Errors:
        """Why an append cannot be stored; empty when it can."""
        errors = self.misfits(append.stream, append.expected)
        if any(is_broken(event) for event in append.events):
            errors.add(InvalidAppend)
        ids = [entry.id for entry in self.log] + [*taken, *(event.id for event in append.events)]
        if any(ids.count(event.id) > 1 for event in append.events):
            errors.add(DuplicateEvent)
        if command_id is not None and any(entry.causation_id == command_id for entry in self.log):
            errors.add(DuplicateCommand)
        return errors

    def refusals_together(self, appends: Sequence[StreamAppend]) -> Errors:
        errors: Errors = set()
        names = [append.stream for append in appends]
        if len(set(names)) < len(names) or not appends:
            errors.add(InvalidAppend)
        taken: list[UUID] = []
        for append in appends:
            errors |= self.refusals(append, taken=taken)
            taken += [event.id for event in append.events]
        return errors

    def misfits(self, stream: str, expected: int) -> Errors:
        """Why a stream is not where it has to be."""
        version = self.version(stream)
        if self.is_deleted(stream):
            return {StreamDeleted}
        if expected in (Expected.ANY, version):
            return set()
        if expected == Expected.STREAM_EXISTS:
            return set() if version else {StreamNotFound}
        return {StreamExists} if expected == Expected.NO_STREAM else {WrongExpectedVersion}

    def store(self, stream: str, events: Sequence[NewEvent]) -> list[int]:
        """Where the events went."""
        version = self.version(stream)
        for number, event in enumerate(events, 1):
            self.log.append(Entry(stream, version + number, *event[:7]))
        return list(range(len(self.log) - len(events) + 1, len(self.log) + 1))

    def link_refusals(self, stream: str, positions: Sequence[int], expected: int) -> Errors:
        errors = self.misfits(stream, expected)
        if not positions:
            errors.add(InvalidAppend)
        if any(not self._is_linkable(position) for position in positions):
            return {EventNotFound}
        present = [entry.leads_to for entry in self.links.get(stream, ())]
        if any((*present, *positions).count(position) > 1 for position in positions):
            errors.add(DuplicateEvent)
        return errors

    def link(self, stream: str, positions: Sequence[int], ids: Sequence[UUID]) -> list[int]:
        version = self.version(stream)
        for number, (position, id_) in enumerate(zip(positions, ids, strict=True), 1):
            entry = Entry(
                stream,
                version + number,
                id_,
                "$link",
                b'{"position": %d}' % position,
                leads_to=position,
            )
            self.log.append(entry)
            self.links.setdefault(stream, []).append(entry)
        return list(range(len(self.log) - len(positions) + 1, len(self.log) + 1))

    def delete_refusals(self, stream: str, expected: int, *, erase: bool) -> Errors:
        if not self.version(stream):
            return {StreamNotFound}
        return set() if erase and self.is_deleted(stream) else self.misfits(stream, expected)

    def delete(self, stream: str, id_: UUID, *, erase: bool) -> int:
        self.log.append(Entry(stream, self.version(stream) + 1, id_, "$deleted", b"{}"))
        self.snapshots.pop(stream, None)
        if erase:
            self._blank(lambda entry: entry.stream == stream)
            self.firsts.pop(stream, None)
        return len(self.log)

    def truncate_refusals(self, stream: str, before: int) -> Errors:
        if not self.version(stream):
            return {StreamNotFound}
        if self.is_deleted(stream):
            return {StreamDeleted}
        return set() if 1 <= before <= self.version(stream) else {WrongExpectedVersion}

    def truncate(self, stream: str, before: int, *, erase: bool) -> None:
        self.firsts[stream] = max(self.first(stream), before)
        if erase:
            self._blank(lambda entry: entry.stream == stream and entry.version < before)

    def save_snapshot(self, snapshot: Snapshot) -> None:
        found = self.snapshots.get(snapshot.stream)
        if snapshot.stream not in self.readable() or snapshot.version > self.version(
            snapshot.stream
        ):
            return
        if found is None or found.kind != snapshot.kind or found.version < snapshot.version:
            self.snapshots[snapshot.stream] = snapshot

    def read_stream(
        self, stream: str, after: int, limit: int, until: int | datetime | None, *, back: bool
    ) -> list[tuple[int, Entry]]:
        """Places and events of a page, links followed."""
        if self.is_deleted(stream):
            return []

        def is_within(entry: Entry) -> bool:
            if isinstance(until, datetime):
                return entry.time is not None and entry.time <= until
            return until is None or entry.version <= until

        found = [
            (position, entry)
            for position, entry in enumerate(self.log, 1)
            if entry.stream == stream and entry.version >= self.first(stream) and is_within(entry)
        ]
        page = _page(found, lambda item: item[1].version, after, limit, back=back)
        return [self._followed(position, entry) for position, entry in page]

    def read_page(
        self, after: int, limit: int, is_meant: Callable[[Entry], bool], *, back: bool
    ) -> list[tuple[int, Entry]]:
        found = [item for item in enumerate(self.log, 1) if is_meant(item[1])]
        return _page(found, lambda item: item[0], after, limit, back=back)

    def _followed(self, position: int, entry: Entry) -> tuple[int, Entry]:
        if entry.leads_to is None:
            return position, entry
        original = self.log[entry.leads_to - 1]
        return entry.leads_to, replace(original, stream=entry.stream, version=entry.version)

    def _is_linkable(self, position: int) -> bool:
        return 1 <= position <= len(self.log) and self.log[position - 1].type[0] != "$"

    def _blank(self, is_meant: Callable[[Entry], bool]) -> None:
        for number, entry in enumerate(self.log):
            if is_meant(entry):
                blank = Entry("$erased", number + 1, entry.id, "$erased", b"{}", time=entry.time)
                self.log[number] = blank


def is_broken(event: NewEvent) -> bool:
    return event.data == b"{" or event.metadata == b"{"


def looks_like(recorded: RecordedEvent, position: int, entry: Entry) -> bool:
    """Whether a store's event is the model's, apart from the time of the store's clock."""
    time = recorded.time if entry.time is None else entry.time
    return recorded == RecordedEvent(
        position,
        entry.stream,
        entry.version,
        entry.id,
        entry.type,
        entry.data,
        entry.metadata,
        entry.correlation_id,
        entry.causation_id,
        time,
    )


def _page(
    found: list[tuple[int, Entry]],
    number: Callable[[tuple[int, Entry]], int],
    after: int,
    limit: int,
    *,
    back: bool,
) -> list[tuple[int, Entry]]:
    if back:
        below = [item for item in found if after <= 0 or number(item) < after]
        return below[::-1][: max(limit, 0)]
    return [item for item in found if number(item) > after][: max(limit, 0)]
