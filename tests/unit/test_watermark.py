import asyncio

from chekov.watermark import Watermark


async def test_a_value_that_was_passed_is_returned_at_once() -> None:
    assert await Watermark(5).wait_above(3) == 5


async def test_waiters_wake_when_their_value_is_reached_and_not_before() -> None:
    mark = Watermark()
    async with asyncio.TaskGroup() as group:
        low = group.create_task(mark.wait_above(0))
        high = group.create_task(mark.wait_above(9))
        await asyncio.sleep(0)
        mark.advance(5)
        assert await low == 5
        assert not high.done()
        mark.bump()
        mark.advance(10)
    assert high.result() == 10


async def test_a_lower_value_changes_nothing() -> None:
    mark = Watermark(5)
    mark.advance(3)
    assert mark.value == 5


async def test_a_wait_that_runs_out_returns_the_value_as_it_is() -> None:
    mark = Watermark(5)
    assert await mark.wait_above(5, timeout=0) == 5
    assert not vars(mark)["_waiting"]


async def test_a_cancelled_waiter_leaves_nothing() -> None:
    mark = Watermark()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(mark.wait_above(0))
        await asyncio.sleep(0)
        task.cancel()
    assert not vars(mark)["_waiting"]


async def test_everyone_can_be_woken_to_look_again() -> None:
    mark = Watermark(1)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(mark.wait_above(100))
        await asyncio.sleep(0)
        mark.wake_all()
        assert await task == 1
