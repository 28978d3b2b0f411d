"""What an error that user code let out means: a failure of that code, or an end that was requested.

`asyncio` ends a task by `CancelledError`, a coroutine by `GeneratorExit` and a process by
`SystemExit` and `KeyboardInterrupt`. When user code raises one of these and nobody requested it of
the task, it is a failure like any other: it must end neither the process nor the connection.
"""

import asyncio
import signal
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from chekov.errors import ChekovError


class UnrequestedExit(ChekovError):
    """User code raised a cancellation or an exit that nobody requested; its cause has the place."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"user code raised {described(error)}, which nobody requested")


def is_requested(error: BaseException, task: "asyncio.Task[Any] | None") -> bool:
    """Whether an error is the end of `task`, its coroutine or the process that was requested.

    Args:
        error: what was raised.
        task: the one in which it was.
    """
    if isinstance(error, Exception):
        return False
    if isinstance(error, GeneratorExit):  # a coroutine is closed from outside of its task
        return task is None or _current_task() is not task
    if isinstance(error, KeyboardInterrupt):
        return _sigint_raises()
    return (task is None or task.cancelling() > 0) and all(
        isinstance(leaf, asyncio.CancelledError) for leaf in leaves(error)
    )


def leaves(error: BaseException) -> Sequence[BaseException]:
    """Return the error itself, or every error in an exception group."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    group = cast("BaseExceptionGroup[BaseException]", error)
    return [leaf for inner in group.exceptions for leaf in leaves(inner)]


def described(error: BaseException) -> str:
    """Return the type and the message of an error, and of each error in an exception group."""
    text = str(error)
    head = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if not isinstance(error, BaseExceptionGroup):
        return head
    group = cast("BaseExceptionGroup[BaseException]", error)
    return f"{head}: {'; '.join(map(described, leaves(group)))}"


def _current_task() -> "asyncio.Task[Any] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop is running
        return None


def _sigint_raises() -> bool:
    """Whether Ctrl-C raises `KeyboardInterrupt`: by Python's handler or the one of `asyncio.run`.

    The server has a handler of its own, so there no interrupt is a person's.
    """
    handler = signal.getsignal(signal.SIGINT)
    return handler is signal.default_int_handler or isinstance(handler, partial)
