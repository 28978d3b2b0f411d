"""The second stage of the pipeline: reports each command and its outcome to the observer."""

from chekov.engine.commands.execution import Execution
from chekov.engine.observer import Observer, Outcome
from chekov.errors import (
    CommandTimeout,
    Forbidden,
    Rejected,
    TooManyConflicts,
    WrongExpectedVersion,
)


class Observation:
    """Reports to an observer."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def enter(self, execution: Execution) -> None:
        """Report that a command starts."""
        execution.observation = self._observer.command(execution.route.name, execution.stream)

    def leave(self, execution: Execution, error: BaseException | None) -> None:
        """Report how a command ended."""
        if execution.observation is None:
            return
        succeeded = error is None
        execution.observation.finish(
            execution.outcome if succeeded else _outcome(error),
            events=execution.events if succeeded else 0,
            retries=execution.retries,
        )


def _outcome(error: BaseException) -> Outcome:
    match error:
        case Rejected() | Forbidden():
            return "rejected"
        case WrongExpectedVersion() | TooManyConflicts():
            return "conflict"
        case CommandTimeout():
            return "timeout"
        case _:
            return "failed"
