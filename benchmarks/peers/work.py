"""The work as a worker sees it: stream names, the ledger of what was acknowledged, the check.

Only the standard library is used here, since one worker runs in an environment of its own.
"""

import secrets
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise

CATEGORY = "counter"
STREAMS = 1024
MOST_EACH = 64
DECISIONS = 8
NOTE = "twenty bytes of text " * 4
MOST_FAULTS = 5


@dataclass(frozen=True, slots=True)
class Load:
    """How one measurement is to be made.

    Attributes:
        name: tells its streams from those of other measurements.
        in_flight: how many operations are under way at any time.
        events: events of one append.
        seconds: for how long.
    """

    name: str
    in_flight: int
    seconds: float
    events: int = 1


@dataclass(slots=True)
class Ledger:
    """What was acknowledged, to be compared with what is stored.

    Attributes:
        acknowledged: stream → number of events.
        seen: stream → number of events that the check has met so far.
        position: the last one that the check has met.
    """

    acknowledged: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    seen: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    position: int = 0
    stored: int = 0

    def check(self, rows: Iterable[tuple[int, str, int]], *, contiguous: bool) -> list[str]:
        """Go on with the rows above `position`, in their order; say what is out of order."""
        faults: list[str] = []
        for position, stream, version in rows:
            self.stored += 1
            self.seen[stream] += 1
            if version != self.seen[stream]:
                faults.append(f"{stream}: version {version} came as number {self.seen[stream]}")
            if contiguous and position != self.position + 1:
                faults.append(f"position {position} came after {self.position}")
            self.position = position
        return faults

    def missing(self) -> list[str]:
        """Streams that hold another number of events than was acknowledged."""
        return [
            f"{stream}: {self.acknowledged[stream]} acknowledged, {self.seen[stream]} stored"
            for stream in {*self.acknowledged, *self.seen}
            if self.acknowledged[stream] != self.seen[stream]
        ]

    @property
    def total(self) -> int:
        return sum(self.acknowledged.values())


class Appends:
    """Names the stream of each append; no two workers share one, so none has a conflict."""

    def __init__(self, load: Load) -> None:
        self._turns = [count() for _ in range(load.in_flight)]
        self._each = min(MOST_EACH, STREAMS // load.in_flight)
        self._name = load.name

    def next(self, worker: int) -> str:
        """Each worker goes round its share of the streams."""
        turn = next(self._turns[worker]) % self._each
        return f"{CATEGORY}-{self._name}-{worker}-{turn}"


class Decisions:
    """Names the aggregate of each decision: a few on each, then a new one."""

    def __init__(self, load: Load) -> None:
        self._turns = [count() for _ in range(load.in_flight)]
        self._name = load.name

    def next(self, worker: int) -> str:
        """An aggregate never holds more than `DECISIONS` events."""
        turn = next(self._turns[worker]) // DECISIONS
        return f"{CATEGORY}-{self._name}-{worker}-{turn}"


def order_faults(versions: Sequence[int], wanted: int) -> list[str]:
    """What a subscriber missed, saw twice, or saw out of order."""
    if list(versions) == list(range(1, wanted + 1)):
        return []
    lost = wanted - len(set(versions))
    doubled = len(versions) - len(set(versions))
    reordered = sum(1 for one, next_ in pairwise(versions) if next_ < one)
    return [f"the subscriber lost {lost}, saw {doubled} twice and {reordered} out of order"]


def worker_of(stream: str) -> int:
    """The number of the worker whose stream this is."""
    return int(stream.split("-")[-2])


def identifier(stream: str) -> str:
    """A stream's name without its category."""
    return stream.removeprefix(f"{CATEGORY}-")


def event_id() -> uuid.UUID:
    """A time-ordered id, in the layout of version 7, for the systems that do not make their own."""
    return uuid.UUID(int=int(time.time() * 1000) << 80 | 7 << 76 | 2 << 62 | next(_serial))


_serial = count(secrets.randbits(48))
