"""The work of each worker: stream names, the ledger of acknowledged events, the check.

Only the standard library is used here, since one worker runs in an environment of its own.
"""

import secrets
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise

from benchmarks.measure import Load

CATEGORY = "counter"
STREAMS = 1024
MOST_EACH = 64
DECISIONS = 8
NOTE = "twenty bytes of text " * 4
MOST_FAULTS = 5


@dataclass(slots=True)
class Ledger:
    """The events that were acknowledged, to be compared with those stored.

    Attributes:
        acknowledged: stream → number of events.
        seen: stream → number of events checked so far.
        position: the last one checked.
        stored: number of events checked so far.
    """

    acknowledged: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    seen: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    position: int = 0
    stored: int = 0

    def check(self, rows: Iterable[tuple[int, str, int]], *, contiguous: bool) -> list[str]:
        """Continue with the rows above `position`, by position; returns those out of order."""
        faults: list[str] = []
        for position, stream, version in rows:
            self.stored += 1
            self.seen[stream] += 1
            if version != self.seen[stream]:
                faults.append(f"{stream}: version {version} is number {self.seen[stream]}")
            if contiguous and position != self.position + 1:
                faults.append(f"position {position} follows {self.position}")
            self.position = position
        return faults

    def missing(self) -> list[str]:
        """Streams whose number of events differs from the number acknowledged."""
        return [
            f"{stream}: {self.acknowledged[stream]} acknowledged, {self.seen[stream]} stored"
            for stream in {*self.acknowledged, *self.seen}
            if self.acknowledged[stream] != self.seen[stream]
        ]

    def merge(self, streams: Mapping[str, int]) -> None:
        """Add events that were acknowledged to another process."""
        for stream, events in streams.items():
            self.acknowledged[stream] += events

    @property
    def total(self) -> int:
        return sum(self.acknowledged.values())


class Appends:
    """Names the stream of each append; no two workers share one, so there are no conflicts."""

    def __init__(self, load: Load) -> None:
        self._turns = turns(load)
        self._each = min(MOST_EACH, STREAMS // load.in_flight)
        self._name = load.name

    def next(self, worker: int) -> str:
        """Each worker cycles through its share of the streams."""
        turn = next(self._turns[worker]) % self._each
        return f"{CATEGORY}-{self._name}-{worker}-{turn}"


class Decisions:
    """Names the aggregate of each decision: a few on each, then a new one."""

    def __init__(self, load: Load) -> None:
        self._turns = turns(load)
        self._name = load.name

    def next(self, worker: int) -> str:
        """An aggregate never has more than `DECISIONS` events."""
        turn = next(self._turns[worker]) // DECISIONS
        return f"{CATEGORY}-{self._name}-{worker}-{turn}"


def turns(load: Load) -> dict[int, "count[int]"]:
    """A counter for each worker of a load."""
    return {worker: count() for worker in range(load.first, load.first + load.in_flight)}


def order_faults(versions: Sequence[int], wanted: int) -> list[str]:
    """The number of events that a subscriber missed, saw twice, or saw out of order."""
    return delivery_faults({"": versions}, {"": wanted})


def delivery_faults(seen: Mapping[str, Sequence[int]], wanted: Mapping[str, int]) -> list[str]:
    """The same of several streams, each of whose events must be seen once and in order.

    Args:
        seen: stream → versions as a subscriber saw them.
        wanted: stream → the number of its events.
    """
    lost = doubled = reordered = 0
    for stream, events in wanted.items():
        versions = seen.get(stream, ())
        different = len(set(versions))
        lost += events - different
        doubled += len(versions) - different
        reordered += sum(1 for one, next_ in pairwise(versions) if next_ < one)
    if not (lost or doubled or reordered):
        return []
    return [f"the subscriber lost {lost}, saw {doubled} twice and {reordered} out of order"]


def worker_of(stream: str) -> int:
    """The number of the worker that appends to a stream."""
    return int(stream.split("-")[-2])


def identifier(stream: str) -> str:
    """A stream's name without its category."""
    return stream.removeprefix(f"{CATEGORY}-")


def event_id() -> uuid.UUID:
    """A time-ordered UUID (version 7), for the systems that do not make their own."""
    return uuid.UUID(int=int(time.time() * 1000) << 80 | 7 << 76 | 2 << 62 | next(_serial))


_serial = count(secrets.randbits(48))
