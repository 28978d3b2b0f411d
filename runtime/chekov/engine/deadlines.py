"""Time limits for many short waits: one timer for all of them, instead of one each."""

import asyncio
from typing import Self

_LOOK_SECONDS = 0.05


class Deadline:
    """Cancels the task that entered it when its time is over; one use only.

    Attributes:
        expired: whether that happened.
    """

    __slots__ = ("_deadlines", "at", "expired", "task")

    def __init__(self, deadlines: "Deadlines", at: float) -> None:
        self._deadlines = deadlines
        self.at = at
        self.expired = False
        self.task: asyncio.Task[object] | None = None

    def __enter__(self) -> Self:
        self.task = asyncio.current_task()
        self._deadlines.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        """Turn the cancellation that the deadline asked for, and no other, into a time-out.

        Raises:
            TimeoutError: the time is over.
        """
        self._deadlines.discard(self)
        if (
            self.expired
            and self.task is not None
            and self.task.uncancel() <= 0
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError


class Deadlines:
    """The waits of a process that have a limit; looked at twenty times a second while any is open.

    A limit is therefore kept to within a twentieth of a second.
    """

    def __init__(self) -> None:
        self._open: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> Deadline:
        """A block that may take `seconds`."""
        return Deadline(self, asyncio.get_running_loop().time() + seconds)

    def add(self, deadline: Deadline) -> None:
        """Watch a deadline."""
        self._open.add(deadline)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def discard(self, deadline: Deadline) -> None:
        """Stop watching it."""
        self._open.discard(deadline)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for deadline in [item for item in self._open if item.at <= now]:
            self._open.discard(deadline)
            deadline.expired = True
            if deadline.task is not None:
                deadline.task.cancel()
        self._timer = loop.call_later(_LOOK_SECONDS, self._look) if self._open else None
