"""The third stage of the pipeline: how long a command may take."""

import asyncio
from time import monotonic
from typing import Final

from chekov.engine.commands.execution import Execution
from chekov.engine.failures import UnrequestedExit, is_requested
from chekov.errors import CommandTimeout

_LOOK_SECONDS: Final = 0.05


class Deadlines:
    """Cancels the tasks of commands that take too long, within a twentieth of a second.

    One timer serves all of them: it looks at them twenty times a second while there are any. That
    costs 0.6 µs a command; `asyncio.timeout` costs 5 µs, a quarter of a command over the store in
    memory.
    """

    def __init__(self) -> None:
        self._open: set[Execution] = set()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, execution: Execution) -> None:
        """Start the time of a command, which the running task executes."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a command needs a task that its deadline can cancel")
        seconds = execution.envelope.timeout
        if seconds is None:
            seconds = execution.route.timeout
        execution.task = task
        execution.cancellations = task.cancelling()
        execution.seconds = seconds
        execution.deadline = monotonic() + seconds
        self._open.add(execution)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def error(self, execution: Execution, raised: BaseException) -> BaseException:
        """Return the error that a command ends with, which has not left yet.

        That is `CommandTimeout` if its task was cancelled by this deadline alone, and
        `UnrequestedExit` if nobody cancelled it.
        """
        if isinstance(raised, Exception):
            return raised
        if not is_requested(raised, execution.task):
            return UnrequestedExit(raised)
        if not execution.expired or not isinstance(raised, asyncio.CancelledError):
            return raised
        if execution.task.cancelling() > execution.cancellations + 1:
            return raised
        stored = None if execution.append_outcome_unknown else False
        return CommandTimeout(execution.route.name, execution.seconds, stored=stored)

    def leave(self, execution: Execution) -> None:
        """Stop the time of a command; take the cancellation of its task back."""
        if execution.expired:
            execution.task.uncancel()
        else:
            self._open.discard(execution)

    def _look(self) -> None:
        now = monotonic()
        for execution in [item for item in self._open if item.deadline <= now]:
            self._open.discard(execution)
            execution.expired = True
            execution.task.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_LOOK_SECONDS, self._look) if self._open else None
