"""Somebody other than the code that raises an exit requests it; anything else is a failure."""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from chekov.engine.failures import UnrequestedExit, described, is_requested
from tests.unit.engine.exits import EXITS


@pytest.mark.parametrize("error", [*EXITS, ValueError("no")], ids=repr)
async def test_what_nobody_requested_is_a_failure(error: BaseException) -> None:
    assert not is_requested(error, asyncio.current_task())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (asyncio.CancelledError(), True),
        (BaseExceptionGroup("all", [asyncio.CancelledError()]), True),
        (BaseExceptionGroup("some", [asyncio.CancelledError(), SystemExit(1)]), False),
        (SystemExit(1), False),
        (ValueError("no"), False),
    ],
    ids=repr,
)
async def test_only_a_cancellation_ends_a_task_that_is_cancelled(
    error: BaseException, *, expected: bool
) -> None:
    found: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            found.append(is_requested(error, asyncio.current_task()))
            raise

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert found == [expected]


async def test_a_coroutine_that_is_closed_from_outside_of_its_task_ends() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    assert is_requested(GeneratorExit(), task)
    await task


def test_a_coroutine_that_is_closed_after_its_loop_ends() -> None:
    async def current() -> "asyncio.Task[object] | None":
        return asyncio.current_task()

    with asyncio.Runner() as runner:
        task = runner.run(current())
    assert is_requested(GeneratorExit(), task)


def handled(signum: int, frame: FrameType | None) -> None:
    del signum, frame


@pytest.mark.parametrize(
    ("handler", "expected"),
    [(signal.default_int_handler, True), (handled, False), (signal.SIG_IGN, False)],
)
def test_an_interrupt_is_a_persons_unless_the_signal_is_handled_otherwise(
    handler: Callable[[int, FrameType | None], Any] | signal.Handlers, *, expected: bool
) -> None:
    before = signal.signal(signal.SIGINT, handler)
    try:
        assert is_requested(KeyboardInterrupt(), None) is expected
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_error_is_described_with_all_that_a_group_holds() -> None:
    group = ExceptionGroup("two", [ValueError("a"), ExceptionGroup("one", [TimeoutError()])])
    assert described(group) == (
        "ExceptionGroup: two (2 sub-exceptions): ValueError: a; TimeoutError"
    )
    assert described(TimeoutError()) == "TimeoutError"
    assert str(UnrequestedExit(SystemExit(2))) == (
        "user code raised SystemExit: 2, which nobody requested"
    )
