"""Whether a history is whole: what a store holds beside what writers and followers remember.

Writers note each append before they send it, and what became of it; followers note what they were
given. Afterwards everything that a store promises can be looked up, however it was killed
meanwhile: nothing acknowledged is lost, nothing refused is stored, nothing is torn, doubled,
reordered or changed.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal, NamedTuple
from uuid import UUID

from chekov.store.port import RecordedEvent
from chekov.store.validation import DELETED, ERASED, LINK

_SHOWN: Final = 20


class HistoryError(Exception):
    """A history is not whole.

    Attributes:
        faults: one sentence for each fault.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        more = len(faults) - _SHOWN
        lines = [*faults[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        super().__init__("".join(f"\n  - {line}" for line in lines))


class Part(NamedTuple):
    """What an append stores in one stream."""

    stream: str
    ids: tuple[UUID, ...]
    expected: int
    version: int = 0
    """Of the last event, as it was acknowledged."""
    position: int = 0
    """Of the last event, as it was acknowledged."""


class Attempt(NamedTuple):
    """An append as its writer remembers it, of one part or of several that belong together."""

    parts: tuple[Part, ...]
    outcome: Literal["stored", "refused", "unknown"]
    command_id: UUID | None = None
    """The command that may be stored once only."""
    began: int = 0
    """When it was sent, by a clock that all writers share, in nanoseconds."""
    ended: int = 0
    """When it was answered."""

    @property
    def ids(self) -> list[UUID]:
        """Of all its events, in order."""
        return [id_ for part in self.parts for id_ in part.ids]


class Ending(NamedTuple):
    """A stream that was deleted."""

    stream: str
    position: int
    """As it was acknowledged."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the writers remember.

    Attributes:
        attempts: every append that was sent.
        endings: every deletion that was acknowledged.
        erased: streams of which events may have been erased, by deleting or truncating them.
        firsts: the first version of streams that were truncated.
    """

    attempts: Sequence[Attempt] = ()
    endings: Sequence[Ending] = ()
    erased: Collection[str] = frozenset[str]()
    firsts: Mapping[str, int] = field(default_factory=dict[str, int])


def check(history: Sequence[RecordedEvent], memory: Memory) -> None:
    """Compare all events of a store, by position, with what its writers remember.

    Raises:
        HistoryError: says everything that is wrong.
    """
    faults = [*order(history, memory.firsts), *_contents(history, memory)]
    if faults:
        raise HistoryError(faults)


def check_followed(history: Sequence[RecordedEvent], seen: Sequence[RecordedEvent]) -> None:
    """Compare what a follower was given with all events of its store.

    Raises:
        HistoryError: it was not given each event once, in order, and as it is.
    """
    faults: list[str] = []
    for number, event in enumerate(seen, 1):
        if event.position != number:
            faults.append(f"position {event.position} was given instead of {number}")
            break
        stored = history[number - 1] if number <= len(history) else None
        if stored != event and (stored is None or not _is_blank(stored) or stored.id != event.id):
            faults.append(f"position {number} was given as {event}, and is {stored}")
    if len(seen) < len(history):
        faults.append(f"the last {len(history) - len(seen)} events were not given")
    if faults:
        raise HistoryError(faults)


def check_checkpoints(moments: Sequence[tuple[int, int]]) -> None:
    """Look through epochs and positions of one subscription, in the order they were seen.

    Raises:
        HistoryError: one of them went back.
    """
    faults = [
        f"epoch and checkpoint went from {before} to {after}"
        for before, after in pairwise(moments)
        if after[0] < before[0] or after[1] < before[1]
    ]
    if faults:
        raise HistoryError(faults)


def order(history: Sequence[RecordedEvent], firsts: Mapping[str, int]) -> Iterator[str]:
    """Faults of positions, versions and ids, which need nobody's memory."""
    versions: dict[str, int] = {}
    ended: set[str] = set()
    for number, event in enumerate(history, 1):
        if event.position != number:
            yield f"position {number} is missing: {event.position} came instead"
            return
        if event.stream == ERASED:
            if not _is_blank(event):
                yield f"position {number} is neither an event nor erased: {event}"
            continue
        if event.stream in ended:
            yield f"position {number} is in {event.stream!r} after its end"
        if event.type == DELETED:
            ended.add(event.stream)
        before = versions.get(event.stream)
        if before is None:
            fits = 1 <= event.version <= firsts.get(event.stream, 1)
        else:
            fits = event.version == before + 1
        if not fits:
            yield f"{event.stream!r} has version {event.version} after {before or 'none'}"
        versions[event.stream] = event.version
    ids = Counter(event.id for event in history)
    yield from (f"id {id_} is stored {times} times" for id_, times in ids.items() if times > 1)


def _contents(history: Sequence[RecordedEvent], memory: Memory) -> Iterator[str]:
    at = {event.id: event for event in history}
    for attempt in memory.attempts:
        yield from _attempt(attempt, at, memory.erased)
    yield from _endings(history, memory)
    yield from _strangers(history, memory.attempts)
    yield from _repeated(memory.attempts, at)
    yield from _overtaken(memory.attempts)


def _attempt(
    attempt: Attempt, at: Mapping[UUID, RecordedEvent], erased: Collection[str]
) -> Iterator[str]:
    ids = attempt.ids
    found = [at[id_] for id_ in ids if id_ in at]
    if attempt.outcome == "stored" and not found:
        yield f"acknowledged and lost: {attempt}"
    elif attempt.outcome == "refused" and found:
        yield f"refused and stored: {attempt}"
    elif found and len(found) < len(ids):
        yield f"stored by half, {len(found)} of {len(ids)} events: {attempt}"
    elif found:
        places = [event.position for event in found]
        if places != list(range(places[0], places[0] + len(places))):
            yield f"torn apart, to positions {places}: {attempt}"
        for part in attempt.parts:
            yield from _part(part, [at[id_] for id_ in part.ids], attempt.outcome, erased)


def _part(
    part: Part, found: Sequence[RecordedEvent], outcome: str, erased: Collection[str]
) -> Iterator[str]:
    count = len(found)
    if outcome == "stored":
        if found[-1].position != part.position:
            yield f"acknowledged at {part.position} and stored at {found[-1].position}: {part}"
        if part.expected >= 0 and part.version - count != part.expected:
            yield f"acknowledged at a version that was not expected: {part}"
    first = found[-1].version - count + 1
    for number, event in enumerate(found):
        if _is_blank(event):
            if part.stream not in erased:
                yield f"position {event.position} was erased by nobody: {part}"
            continue
        if event.stream != part.stream:
            yield f"position {event.position} is in {event.stream!r}: {part}"
        wanted = part.version - count + 1 + number if outcome == "stored" else first + number
        if event.version != wanted and not _is_blank(found[-1]):
            yield f"position {event.position} has version {event.version}, not {wanted}: {part}"
        if outcome != "stored" and event.version - number - 1 != part.expected >= 0:
            yield f"stored at a version that was not expected: {part}"


def _endings(history: Sequence[RecordedEvent], memory: Memory) -> Iterator[str]:
    for ending in memory.endings:
        end = history[ending.position - 1] if ending.position <= len(history) else None
        whole = end is not None and (end.stream, end.type) == (ending.stream, DELETED)
        blank = end is not None and _is_blank(end) and ending.stream in memory.erased
        if not whole and not blank:
            yield f"the end of {ending.stream!r} was acknowledged at {ending.position}: {end}"


def _strangers(history: Sequence[RecordedEvent], attempts: Iterable[Attempt]) -> Iterator[str]:
    known = {id_ for attempt in attempts for id_ in attempt.ids}
    for event in history:
        if event.id not in known and event.type not in (DELETED, ERASED):
            kind = "link" if event.type == LINK else "event"
            yield f"position {event.position} holds an {kind} that nobody sent: {event}"


def _repeated(attempts: Iterable[Attempt], at: Mapping[UUID, RecordedEvent]) -> Iterator[str]:
    """The events are the record of a command, so that erasing all of them frees its id."""
    stored = Counter(
        attempt.command_id
        for attempt in attempts
        if attempt.command_id is not None
        and any(id_ in at and not _is_blank(at[id_]) for id_ in attempt.ids)
    )
    yield from (f"command {id_} is stored {n} times" for id_, n in stored.items() if n > 1)


def _overtaken(attempts: Iterable[Attempt]) -> Iterator[str]:
    """What was answered before something else was sent must lie before it."""
    stored = [attempt for attempt in attempts if attempt.outcome == "stored"]
    answered = sorted(stored, key=lambda attempt: attempt.ended)
    behind = 0
    highest = 0
    for attempt in sorted(stored, key=lambda attempt: attempt.began):
        while answered[behind].ended < attempt.began:
            highest = max(highest, *(part.position for part in answered[behind].parts))
            behind += 1
        if min(part.position for part in attempt.parts) < highest:
            yield f"stored before what was answered earlier, at {highest}: {attempt}"


def _is_blank(event: RecordedEvent) -> bool:
    return event[1:3] == (ERASED, event.position) and event[4:9] == (
        ERASED,
        b"{}",
        None,
        None,
        None,
    )
