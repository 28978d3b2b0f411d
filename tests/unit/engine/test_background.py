"""Background tasks end when they are cancelled, and say so when they fail."""

import asyncio

import pytest

from chekov.engine.background import cancelled, report_failure


async def test_a_task_has_ended_once_it_is_cancelled() -> None:
    ended = False

    async def work() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended = True

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await cancelled(task)
    assert ended
    await cancelled()


async def test_a_failure_is_logged_and_a_cancellation_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ValueError("broken")

    async def pause() -> None:
        await asyncio.Event().wait()

    failing = asyncio.create_task(fail(), name="failing")
    waiting = asyncio.create_task(pause())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([failing, waiting])
    report_failure(waiting)
    report_failure(failing)
    [record] = caplog.records
    assert vars(record)["task"] == "failing"
