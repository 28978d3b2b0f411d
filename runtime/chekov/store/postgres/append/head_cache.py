"""The end of the log as a process knows it that wrote the last events itself."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from chekov.store.port import Expected, NoneSince, RecordedEvent

_DISTRUST_SECONDS: Final = 10.0
_MOST_VERSIONS: Final = 100_000
_CLOCK_SECONDS: Final = 10.0
_ANYWHERE: Final = (Expected.ANY, Expected.STREAM_EXISTS)


class HeadCache:
    """An optimistic cache of the last position, and of the versions of streams.

    While no other process writes, the next position and version follow from the last ones, so an
    append need not look them up. A stale cache is safe: an event is only ever inserted at the next
    position and version or at taken ones, where a unique constraint refuses it. A stream's first
    event takes its name, which is unique too. And an event is only inserted after the one that the
    cache holds for the last, so not into a log that was restored meanwhile.

    Args:
        newest: returns the last position that this process has heard of, whoever wrote it.
    """

    def __init__(self, newest: Callable[[], int]) -> None:
        self._newest = newest
        self._head: int | None = None
        self._head_id: UUID | None = None
        self._versions: dict[str, int] = {}
        self._trust_after = 0.0
        self._assume_new_after = 0.0
        self._clock: tuple[datetime, float] | None = None

    def set_clock(self, now: datetime) -> None:
        """Take the database's time from an answer, unless a later one arrived before it."""
        known = self.now()
        if known is None or now > known:
            self._clock = now, time.monotonic()

    def now(self) -> datetime | None:
        """The database's time, extrapolated by this process's clock; `None` after ten seconds.

        To return it from each insert would cost more than everything that is done around it.
        """
        if self._clock is None:
            return None
        then, since = self._clock
        passed = time.monotonic() - since
        return then + timedelta(seconds=passed) if passed < _CLOCK_SECONDS else None

    def head(self) -> int | None:
        """The last position; `None` when it is not known."""
        head = self._head
        return None if head is None or self._newest() > head else head

    @property
    def head_id(self) -> UUID | None:
        """The id of the event at `head`, by which the database sees that its log is this one."""
        return self._head_id

    def is_at_head(self, condition: NoneSince) -> bool:
        """Whether a condition is by all that is stored."""
        return condition.position == self._head and condition.anchor in (None, self._head_id)

    def version(self, stream: str, expected: int) -> int | None:
        """The version that an append continues; `None` when it is unknown or not the expected one.

        A stream that is expected not to exist is assumed to be new, unless that was wrong lately.
        """
        known = self._versions.get(stream)
        if known is None:
            assume_new = (
                expected == Expected.NO_STREAM and time.monotonic() >= self._assume_new_after
            )
            return 0 if assume_new else None
        return known if expected == known or expected in _ANYWHERE else None

    def learn(self, recorded: Sequence[RecordedEvent]) -> None:
        """Take note of events that this process stored."""
        if time.monotonic() < self._trust_after:
            return
        first = recorded[0].position
        if self._head is not None and first <= self._head:
            # Reported late, after newer events.
            return
        # Others wrote in between: perhaps an erasure, which frees the versions of a stream.
        if first - 1 != self._head or len(self._versions) > _MOST_VERSIONS:
            self._versions.clear()
        self._head, self._head_id = recorded[-1].position, recorded[-1].id
        for event in recorded:
            self._versions[event.stream] = event.version

    def stop_assuming_new_streams(self) -> None:
        """Look streams up for a while, after one that was assumed to be new existed.

        A caller may repeat its mistake, and every wrong assumption costs a transaction.
        """
        self._assume_new_after = time.monotonic() + _DISTRUST_SECONDS

    def invalidate(self) -> None:
        """Distrust the cache for a while: another process writes."""
        self.clear()
        self._trust_after = time.monotonic() + _DISTRUST_SECONDS

    def clear(self) -> None:
        """Empty the cache; after a fail-over, the database may hold less than before."""
        self._head = None
        self._versions.clear()
        self._clock = None
