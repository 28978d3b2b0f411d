"""What a process that writes alone knows without asking."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from chekov.store.port import Expected, RecordedEvent

_DOUBT_SECONDS: Final = 10.0
_MOST_VERSIONS: Final = 100_000
_CLOCK_SECONDS: Final = 10.0
_ANYWHERE: Final = (Expected.ANY, Expected.STREAM_EXISTS)


class HeadCache:
    """What this process knows of the end of the store because it wrote it itself.

    While nobody else writes, the next position and version follow from the last ones, and an
    append can do without looking. If the knowledge is stale, a unique constraint says so, since no
    event ever takes a place that is not the next one or a taken one, and a stream's first event
    takes its name.

    Args:
        alone: whether no other process was seen at this store lately.
    """

    def __init__(self, alone: Callable[[], bool]) -> None:
        self._alone = alone
        self._head: int | None = None
        self._versions: dict[str, int] = {}
        self._not_before = 0.0
        self._no_guess_before = 0.0
        self._clock: tuple[datetime, float] | None = None

    def set_clock(self, now: datetime) -> None:
        """The database's clock, as it just told it; late news would turn it back."""
        known = self.now()
        if known is None or now > known:
            self._clock = now, time.monotonic()

    def now(self) -> datetime | None:
        """The database's clock, carried on by our own for a few seconds after it was told.

        To have it answered by each insert would cost more than all that is done around it.
        """
        if self._clock is None:
            return None
        told, since = self._clock
        passed = time.monotonic() - since
        return told + timedelta(seconds=passed) if passed < _CLOCK_SECONDS else None

    def head(self) -> int | None:
        """The last position, when it is known without looking."""
        return self._head if self._alone() else None

    def version(self, stream: str, expected: int) -> int | None:
        """The version that an append goes on from; nothing when it is not known or not as expected.

        A stream that is expected not to be there is taken for new, unless that was wrong of late.
        """
        known = self._versions.get(stream)
        if known is None:
            guess = expected == Expected.NO_STREAM and time.monotonic() >= self._no_guess_before
            return 0 if guess else None
        return known if expected == known or expected in _ANYWHERE else None

    def learn(self, recorded: Sequence[RecordedEvent]) -> None:
        """These were stored."""
        if time.monotonic() < self._not_before:
            return
        first = recorded[0].position
        if self._head is not None and first <= self._head:
            # Told late; what came after it is known already.
            return
        # What lies between was not ours: it may have erased a stream, which frees its versions.
        if first - 1 != self._head or len(self._versions) > _MOST_VERSIONS:
            self._versions.clear()
        self._head = recorded[-1].position
        for event in recorded:
            self._versions[event.stream] = event.version

    def stop_assuming_new_streams(self) -> None:
        """A stream was there that was taken for new: look first for a while.

        Who asks for it may do so again and again, and each time something is stored in vain.
        """
        self._no_guess_before = time.monotonic() + _DOUBT_SECONDS

    def invalidate(self) -> None:
        """Somebody else writes: know nothing for a while."""
        self.forget()
        self._not_before = time.monotonic() + _DOUBT_SECONDS

    def forget(self) -> None:
        """After a lost connection the database may be another one, with less in it."""
        self._head = None
        self._versions.clear()
        self._clock = None
