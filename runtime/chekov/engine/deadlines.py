"""Time limits for many short waits: one timer for all of them, instead of one each."""

import asyncio
from time import monotonic
from typing import Final, Self

_LOOK_SECONDS: Final = 0.05


class Deadline:
    """Cancels the task that entered it when its time is over; one use only.

    Attributes:
        at: when it is over, as `time.monotonic` tells it.
        expired: whether it was over before the block had ended.
    """

    __slots__ = ("_before", "_deadlines", "at", "expired", "task")

    def __init__(self, deadlines: "Deadlines", at: float) -> None:
        self._deadlines = deadlines
        self.at = at
        self.expired = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline needs a task that it can cancel")
        self.task = task
        self._before = task.cancelling()
        self._deadlines.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        """Turn the cancellation that the deadline asked for, and no other, into a time-out.

        Raises:
            TimeoutError: the time is over.
        """
        if not self.expired:
            self._deadlines.discard(self)
        elif self.task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError


class Deadlines:
    """The waits of a process that have a limit; looked at twenty times a second while any is open.

    A limit is therefore kept to within a twentieth of a second.
    """

    def __init__(self) -> None:
        self._open: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None

    def until(self, at: float) -> Deadline:
        """A block that may take until `at`."""
        return Deadline(self, at)

    def add(self, deadline: Deadline) -> None:
        """Watch a deadline."""
        self._open.add(deadline)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def discard(self, deadline: Deadline) -> None:
        """Stop watching it."""
        self._open.discard(deadline)

    def _look(self) -> None:
        now = monotonic()
        for deadline in [item for item in self._open if item.at <= now]:
            self._open.discard(deadline)
            deadline.expired = True
            deadline.task.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_LOOK_SECONDS, self._look) if self._open else None
