"""A deadline cancels its task once, in time, and knows its own cancellation from another's."""

import asyncio
from time import monotonic

import pytest

from chekov.engine.commands.deadlines import Deadlines
from tests.waiting import until

FOREVER = 60.0


async def test_a_wait_that_takes_too_long_is_cancelled() -> None:
    deadlines = Deadlines()
    deadline = deadlines.begin(monotonic())
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(FOREVER)
    assert deadline.is_cause()
    deadlines.end(deadline)


async def test_its_cancellation_is_taken_back() -> None:
    deadlines = Deadlines()
    deadline = deadlines.begin(monotonic())
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(FOREVER)
    deadlines.end(deadline)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_what_ended_in_time_is_left_alone() -> None:
    deadlines = Deadlines()
    done = deadlines.begin(monotonic())
    deadlines.end(done)
    # Looked at together with one that is over.
    late = deadlines.begin(monotonic())
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(FOREVER)
    assert late.is_cause()
    assert not done.expired
    deadlines.end(late)


async def test_a_cancellation_from_elsewhere_is_not_its_own() -> None:
    deadlines = Deadlines()
    caused: list[bool] = []

    async def wait(at: float) -> None:
        deadline = deadlines.begin(at)
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            caused.append(deadline.is_cause())
            raise
        finally:
            deadlines.end(deadline)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(wait(monotonic() + FOREVER))
        await asyncio.sleep(0)
        task.cancel()
    assert caused == [False]


async def test_who_is_cancelled_from_elsewhere_too_is_not_told_that_it_was_late() -> None:
    deadlines = Deadlines()
    caused: list[bool] = []
    cleaning = asyncio.Event()

    async def wait() -> None:
        deadline = deadlines.begin(monotonic() + 0.01)
        try:
            try:
                await asyncio.sleep(FOREVER)
            finally:
                cleaning.set()
                await until(lambda: deadline.expired)
        except asyncio.CancelledError:
            caused.append(deadline.is_cause())
            raise
        finally:
            deadlines.end(deadline)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
    assert cleaning.is_set()
    assert caused == [False]


async def test_it_needs_a_task() -> None:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[None] = loop.create_future()

    def begin() -> None:
        try:
            Deadlines().begin(0.0)
        except RuntimeError as error:
            answer.set_exception(error)

    loop.call_soon(begin)
    with pytest.raises(RuntimeError, match="needs a task"):
        await answer
