import asyncio
from collections.abc import Sequence

import pytest

from chekov.store.postgres.append.eager import EagerCoroutine


async def work(seen: list[str], waits: Sequence["asyncio.Future[str]"]) -> str:
    seen.append("started")
    seen += [await wait for wait in waits]
    return "done"


def futures(count: int) -> "list[asyncio.Future[str]]":
    return [asyncio.get_running_loop().create_future() for _ in range(count)]


async def test_it_runs_to_its_first_wait_at_once_and_on_when_awaited() -> None:
    seen: list[str] = []
    waits = futures(2)
    started = EagerCoroutine(work(seen, waits))
    assert seen == ["started"]
    for number, wait in enumerate(waits):
        asyncio.get_running_loop().call_soon(wait.set_result, str(number))
    assert await started == "done"
    assert seen == ["started", "0", "1"]


async def test_what_never_waits_is_over_at_once() -> None:
    assert await EagerCoroutine(work([], ())) == "done"


async def test_what_is_raised_before_the_first_wait_comes_out_of_the_call() -> None:
    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        EagerCoroutine(fail())


async def test_what_the_wait_raises_reaches_the_coroutine_and_the_caller() -> None:
    (wait,) = futures(1)
    started = EagerCoroutine(work([], [wait]))
    wait.set_exception(LookupError())
    with pytest.raises(LookupError):
        await started


async def test_a_cancelled_caller_cancels_what_it_waits_for() -> None:
    (wait,) = futures(1)
    ready = asyncio.Event()

    async def caller() -> str:
        started = EagerCoroutine(work([], [wait]))
        ready.set()
        return await started

    task = asyncio.create_task(caller())
    await ready.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert wait.cancelled()
