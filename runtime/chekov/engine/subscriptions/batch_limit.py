"""How many events share one transaction, so that none takes longer than its claim can last."""

from typing import Final

from chekov.engine.subscriptions.time_slice import TimeSlice, clock

HANDLING_SECONDS: Final = 0.2
"""After which a batch commits what it has handled so far."""

_LONG_SECONDS: Final = 1.0


class BatchLimit:
    """Ends batches early: by the clock while they are handled, by number if the writing takes long.

    What a batch has handled is committed after a fifth of a second, so that a slow handler does not
    lose it to the end of its claim, and leaves soon when the process is to stop. Deferred writes
    are sent after that, and nobody knows before how long they take. So a batch that took longer
    than a second in all, or was lost with its connection, is followed by a smaller one.

    Args:
        most: events of one batch.

    Attributes:
        events: how many the next batch may have.
    """

    def __init__(self, most: int) -> None:
        self.events = most
        self._most = most
        self._slice = TimeSlice()
        self._begun_at = 0.0

    def begin(self) -> None:
        """Note that a batch begins."""
        self._begun_at = clock()

    @property
    def pause_at(self) -> float:
        """From when on `reached` is to be asked, by `clock`."""
        return self._slice.ends_at

    async def reached(self) -> bool:
        """Let the process do something else, and return whether the batch is to end here."""
        await self._slice.pause()
        return clock() >= self._begun_at + HANDLING_SECONDS

    def committed(self, events: int) -> None:
        """Note how many events the batch had, now that it is committed."""
        seconds = clock() - self._begun_at
        if seconds > _LONG_SECONDS:
            self.events = max(1, int(events * _LONG_SECONDS / seconds))
        else:
            self.events = min(self._most, self.events * 2)

    def lost(self, events: int) -> None:
        """Note that a batch of so many events was lost with its connection."""
        self.events = max(1, events // 2)
