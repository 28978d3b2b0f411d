"""Appends on their way: how waiting ones become one statement, and its answer theirs."""

import asyncio
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from chekov.errors import (
    DuplicateCommand,
    StoreError,
    StreamDeleted,
    StreamExists,
    StreamNotFound,
    WrongExpectedVersion,
)
from chekov.store.port import Appended, Expected, NewEvent, RecordedEvent
from chekov.store.postgres.row_decoding import new_record

BATCH_EVENTS: Final = 1024
BATCH_BYTES: Final = 1024 * 1024
_ROW_BYTES: Final = 200
_LOOK_AT: Final = 4 * BATCH_EVENTS
_DELETED: Final = -1
_REPEATED: Final = -2
_ELSEWHERE: Final = -3


class Pending:
    """An append that waits for its answer.

    Attributes:
        command_id: the command whose events it holds, when that may be stored once only.
        uncertain: it was sent, and the connection was lost before the answer: it may be stored.
    """

    __slots__ = ("command_id", "events", "expected", "future", "size", "stream", "uncertain")

    def __init__(
        self,
        stream: str,
        events: Sequence[NewEvent],
        expected: int,
        size: int,
        command_id: UUID | None = None,
    ) -> None:
        self.stream = stream
        self.events = events
        self.expected = expected
        self.size = size
        self.command_id = command_id
        self.future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self.uncertain = False

    def stored(self, before: int, version: int, stamp: datetime) -> Appended:
        """Its answer; `before` and `version` are those in front of its first event."""
        return answer(self.stream, self.events, before, version, stamp)

    def answer(self, appended: Appended) -> Sequence[RecordedEvent]:
        """Tell the caller, unless it has gone; what was stored."""
        if not self.future.done():
            self.future.set_result(appended)
        return appended.recorded

    def fail(self, error: Exception) -> None:
        """Tell the caller, unless it has gone."""
        if not self.future.done():
            self.future.set_exception(error)

    def refuse(self, outcome: int) -> None:
        """It could not be stored."""
        self.fail(refusal(self.stream, self.expected, self.command_id, outcome))


Group: TypeAlias = list[Pending]
"""Appends to one stream that succeed or fail together: one, or several that expect nothing."""


def answer(
    stream: str, events: Sequence[NewEvent], before: int, version: int, stamp: datetime
) -> Appended:
    """Of an append whose first event comes after `before` and `version`."""
    recorded = [
        new_record((before + n, stream, version + n, *event[:6], event[6] or stamp))
        for n, event in enumerate(events, 1)
    ]
    count = len(recorded)
    return Appended(stream, version + count, before + count, recorded)


def refusal(stream: str, expected: int, command_id: UUID | None, outcome: int) -> StoreError:
    """The error of an append with an outcome below 0, as the SQL functions number them."""
    if outcome == _DELETED:
        return StreamDeleted(stream)
    if outcome == _REPEATED and command_id is not None:
        return DuplicateCommand(command_id)
    actual = _ELSEWHERE - outcome
    if expected == Expected.STREAM_EXISTS:
        return StreamNotFound(stream)
    if expected == Expected.NO_STREAM:
        return StreamExists(stream, actual)
    return WrongExpectedVersion(stream, expected, actual)


def take(queue: deque[Pending], busy: Collection[str], share: int) -> list[Group]:
    """Remove from the queue what the next statement carries.

    A statement sees each stream once, and each command that may be stored once only. Further
    appends to a stream stay in the queue, unless none of them expects anything: then they become
    one.

    Args:
        queue: appends in the order they came.
        busy: streams of statements that are under way; they have to wait.
        share: most appends to take.
    """
    groups: dict[str, Group] = {}
    stay: list[Pending] = []
    held = set(busy)
    executed: set[UUID] | None = None
    rows = size = 0
    while queue and share and len(stay) < _LOOK_AT:
        pending = queue[0]
        if pending.future.done():
            queue.popleft()
            continue
        group = groups.get(pending.stream)
        if pending.command_id is not None and executed is None:
            executed = _executed(chain.from_iterable(groups.values()))
        repeated = executed is not None and pending.command_id in executed
        if repeated or pending.stream in held or (group and not _joins(pending, group)):
            held.add(pending.stream)
            stay.append(queue.popleft())
            continue
        rows += len(pending.events)
        size += pending.size
        if groups and (rows > BATCH_EVENTS or size > BATCH_BYTES):
            break
        queue.popleft()
        share -= 1
        if executed is not None:
            executed |= _executed([pending])
        if group is None:
            groups[pending.stream] = [pending]
        else:
            group.append(pending)
    queue.extendleft(reversed(stay))
    return list(groups.values())


def _executed(pendings: Iterable[Pending]) -> set[UUID]:
    """The commands whose events these appends hold, as far as they tell."""
    return {
        command
        for pending in pendings
        for command in (pending.command_id, *[event.causation_id for event in pending.events])
        if command is not None
    }


def _joins(pending: Pending, group: Group) -> bool:
    first = group[0]
    return pending.expected == Expected.ANY == first.expected and not (
        pending.command_id or first.command_id
    )


class Many(NamedTuple):
    """Parameters of the statement for many appends."""

    together: bool
    streams: list[str]
    expected: list[int]
    command_id: list[UUID | None] | None
    stream: Sequence[str] | None
    append: Sequence[int] | None
    within: Sequence[int] | None
    ids: Sequence[UUID]
    types: Sequence[str]
    data: list[str | None] | None
    contents: list[bytes | None] | None
    metadata: list[str | None] | None
    correlation_ids: Sequence[UUID | None] | None
    causation_ids: Sequence[UUID | None] | None
    times: Sequence[datetime | None] | None


def many(groups: Sequence[Group], *, together: bool = False) -> Many:
    """Columns of all events; a column that nobody uses is `None`."""
    streams = [group[0].stream for group in groups]
    runs = [list(chain.from_iterable(item.events for item in group)) for group in groups]
    columns: tuple[Any, ...] = tuple(zip(*chain.from_iterable(runs), strict=True))
    ids, types, data, metadata, correlation_ids, causation_ids, times = columns
    stream = append = within = None
    if len(ids) > len(groups):
        counts = [len(run) for run in runs]
        stream = [name for name, n in zip(streams, counts, strict=True) for _ in range(n)]
        append = [number for number, n in enumerate(counts, 1) for _ in range(n)]
        within = [number for n in counts for number in range(1, n + 1)]
    command_id = [group[0].command_id for group in groups]
    return Many(
        together,
        streams,
        [group[0].expected for group in groups],
        command_id if any(command_id) else None,
        stream,
        append,
        within,
        ids,
        types,
        *payloads(data),
        _texts(metadata),
        correlation_ids if any(correlation_ids) else None,
        causation_ids if any(causation_ids) else None,
        times if any(times) else None,
    )


class Place(NamedTuple):
    """Where an append goes: in front of its first event are these position and version."""

    pending: Pending
    before: int
    version: int


def rows(places: Sequence[Place], stamp: datetime) -> list[tuple[Any, ...]]:
    """Each event of appends that go on from known places, as `EVENT_COLUMNS` lists its values.

    Args:
        places: of the appends.
        stamp: the time of events that bring none.
    """
    return [
        (
            before + n,
            pending.stream,
            version + n,
            *plain(event),
            event.time or stamp,
            content(event),
        )
        for pending, before, version in places
        for n, event in enumerate(pending.events, 1)
    ]


def row_bytes(pending: Pending) -> int:
    """The most that the rows of an append have, in bytes: payloads, names, numbers, ids, lengths.

    A character of a name takes four bytes at most.
    """
    names = len(pending.stream) * len(pending.events)
    for event in pending.events:
        names += len(event.type)
    return pending.size + 4 * names + _ROW_BYTES * len(pending.events)


def plain(event: NewEvent) -> tuple[Any, ...]:
    """An event in the order of the columns, up to its time; its data only if that is JSON."""
    return (
        event.id,
        event.type,
        event.data.decode() if event.data[:1] == b"{" else None,
        None if event.metadata is None else event.metadata.decode(),
        event.correlation_id,
        event.causation_id,
    )


def content(event: NewEvent) -> bytes | None:
    """The data of an event that is no JSON."""
    return None if event.data[:1] == b"{" else event.data


def payloads(
    data: Iterable[bytes],
) -> tuple[list[str | None] | None, list[bytes | None] | None]:
    """JSON documents, and what is none: one column each."""
    texts = [item.decode() if item[:1] == b"{" else None for item in data]
    if all(texts):
        return texts, None
    contents = [None if text else item for text, item in zip(texts, data, strict=True)]
    return texts, contents


def answer_many(
    groups: Sequence[Group], before: int, stamp: datetime, outcomes: Sequence[int]
) -> tuple[list[RecordedEvent], list[tuple[Pending, int]]]:
    """Tell the callers; the events that were stored, and who was refused with which outcome."""
    recorded: list[RecordedEvent] = []
    refused: list[tuple[Pending, int]] = []
    for group, outcome in zip(groups, outcomes, strict=True):
        if outcome < 0:
            refused += [(pending, outcome) for pending in group]
            continue
        version = outcome
        for pending in group:
            stored = pending.answer(pending.stored(before, version, stamp))
            before += len(stored)
            version += len(stored)
            recorded += stored
    return recorded, refused


def _texts(metadata: Iterable[bytes | None]) -> list[str | None] | None:
    texts = [None if item is None else item.decode() for item in metadata]
    return None if texts.count(None) == len(texts) else texts
