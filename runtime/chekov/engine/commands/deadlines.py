"""Time limits for many short waits: one timer for all of them, instead of one each."""

import asyncio
from time import monotonic
from typing import Any, Final

_LOOK_SECONDS: Final = 0.05


class Deadline:
    """When a task's wait is to end.

    Attributes:
        at: when it is over, as `time.monotonic` tells it.
        expired: whether it was over before it was ended.
        task: is cancelled then.
        cancelled: how many cancellations the task knew of before it.
    """

    __slots__ = ("at", "cancelled", "expired", "task")

    def __init__(self, at: float, task: "asyncio.Task[Any]") -> None:
        self.at = at
        self.task = task
        self.cancelled = task.cancelling()
        self.expired = False

    def is_cause(self) -> bool:
        """Whether a `CancelledError` that came is its own, and nobody else wants the task to end.

        To be asked before it is ended.
        """
        return self.expired and self.task.cancelling() <= self.cancelled + 1


class Deadlines:
    """The waits of a process that have a limit; looked at twenty times a second while any is open.

    A limit is therefore kept to within a twentieth of a second.
    """

    def __init__(self) -> None:
        self._open: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, at: float) -> Deadline:
        """Cancel the task that runs now at a time, unless the deadline is ended before."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline needs a task that it can cancel")
        deadline = Deadline(at, task)
        self._open.add(deadline)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)
        return deadline

    def end(self, deadline: Deadline) -> None:
        """The task is past it: take back the cancellation, if there was one."""
        if deadline.expired:
            deadline.task.uncancel()
        else:
            self._open.discard(deadline)

    def _look(self) -> None:
        now = monotonic()
        for deadline in [item for item in self._open if item.at <= now]:
            self._open.discard(deadline)
            deadline.expired = True
            deadline.task.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_LOOK_SECONDS, self._look) if self._open else None
