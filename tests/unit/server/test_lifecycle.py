"""A process starts, serves and drains; endless responses end at the drain."""

import asyncio

import pytest

from chekov.server.lifecycle import Lifecycle


async def test_it_starts_serves_and_drains() -> None:
    lifecycle = Lifecycle()
    assert lifecycle.phase == "starting"
    assert lifecycle.reason
    lifecycle.serve()
    assert (lifecycle.phase, lifecycle.reason) == ("serving", "")
    lifecycle.drain()
    assert lifecycle.phase == "draining"


async def test_a_pause_ends_when_the_process_is_to_stop() -> None:
    lifecycle = Lifecycle()
    async with asyncio.timeout(240), asyncio.TaskGroup() as group:
        group.create_task(lifecycle.pause(3600))
        group.create_task(lifecycle.stopped())
        lifecycle.stop()
    assert lifecycle.stopping


async def test_a_pause_ends_by_itself() -> None:
    lifecycle = Lifecycle()
    await lifecycle.pause(0.001)
    assert not lifecycle.stopping


async def test_an_endless_answer_ends_without_an_error_at_the_drain() -> None:
    lifecycle = Lifecycle()
    ended: list[str] = []

    async def endless() -> None:
        async with lifecycle.until_drained():
            entered.set()
            await asyncio.Event().wait()
        ended.append("first")

    entered = asyncio.Event()
    async with asyncio.timeout(240), asyncio.TaskGroup() as group:
        group.create_task(endless())
        await entered.wait()
        lifecycle.drain()
    assert ended == ["first"]


async def test_an_endless_answer_does_not_begin_while_draining() -> None:
    lifecycle = Lifecycle()
    lifecycle.drain()
    reached: list[str] = []
    async with asyncio.timeout(240):
        async with lifecycle.until_drained():
            await asyncio.sleep(0)
            reached.append("first part")
        reached.append("end")
    assert reached == ["end"]


async def test_a_timeout_of_the_answers_own_is_not_swallowed() -> None:
    with pytest.raises(TimeoutError):
        async with Lifecycle().until_drained():
            raise TimeoutError


async def test_a_start_is_given_up_when_the_process_is_to_end() -> None:
    lifecycle = Lifecycle()
    lifecycle.drain()
    reached: list[str] = []
    async with asyncio.timeout(240):
        async with lifecycle.until_stopped():
            asyncio.get_running_loop().call_soon(lifecycle.stop)
            await asyncio.Event().wait()
            reached.append("started")
        async with lifecycle.until_stopped():
            await asyncio.sleep(0)
            reached.append("started again")
        reached.append("end")
    assert reached == ["end"]
