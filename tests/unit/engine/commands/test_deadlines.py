"""A deadline cancels the task of its command once, and knows this cancellation from another."""

import asyncio

import pytest

from chekov.engine.commands.deadlines import Deadlines
from chekov.engine.commands.execution import Execution
from chekov.engine.commands.router import Router
from chekov.errors import CommandTimeout
from tests.unit.engine.commands.counting import SlowStore, over
from tests.unit.engine.commands.executions import DOMAIN, execution
from tests.unit.engine.counter_domain import Add
from tests.waiting import until

FOREVER = 60.0


async def wait(deadlines: Deadlines, waiting: Execution) -> BaseException:
    """Wait until the deadline is over; return the error that the command ends with."""
    deadlines.enter(waiting)
    try:
        await asyncio.sleep(FOREVER)
    except asyncio.CancelledError as raised:
        return deadlines.error(waiting, raised)
    finally:
        deadlines.leave(waiting)
    raise AssertionError("it was not cancelled")


async def test_a_wait_that_takes_too_long_ends_with_a_command_timeout() -> None:
    error = await wait(Deadlines(), execution(timeout=0))
    assert isinstance(error, CommandTimeout)
    assert error.stored is False
    assert "Add did not finish within 0 s" in str(error)


async def test_the_timeout_of_the_runtime_is_for_commands_without_their_own() -> None:
    late = execution(router=Router(DOMAIN, timeout=0.0))
    assert isinstance(await wait(Deadlines(), late), CommandTimeout)


async def test_a_timeout_after_an_append_was_sent_leaves_open_whether_it_is_stored() -> None:
    late = execution(timeout=0)
    late.append_outcome_unknown = True
    error = await wait(Deadlines(), late)
    assert isinstance(error, CommandTimeout)
    assert error.stored is None


async def test_its_cancellation_is_taken_back() -> None:
    await wait(Deadlines(), execution(timeout=0))
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_a_command_that_ended_in_time_is_left_alone() -> None:
    deadlines = Deadlines()
    done = execution(timeout=0)
    deadlines.enter(done)
    deadlines.leave(done)
    # Looked at together with one that is over.
    assert isinstance(await wait(deadlines, execution(timeout=0)), CommandTimeout)
    assert not done.expired


async def test_a_cancellation_from_elsewhere_is_not_a_timeout() -> None:
    deadlines = Deadlines()
    ended: list[BaseException] = []

    async def work() -> None:
        ended.append(await wait(deadlines, execution()))
        raise asyncio.CancelledError

    async with asyncio.TaskGroup() as group:
        task = group.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
    assert isinstance(ended[0], asyncio.CancelledError)


async def test_a_cancellation_from_elsewhere_before_the_deadline_is_not_a_timeout() -> None:
    deadlines = Deadlines()
    ended: list[BaseException] = []

    async def work() -> None:
        late = execution(timeout=0.01)
        deadlines.enter(late)
        try:
            try:
                await asyncio.sleep(FOREVER)
            finally:
                await until(lambda: late.expired)
        except asyncio.CancelledError as raised:
            ended.append(deadlines.error(late, raised))
            raise
        finally:
            deadlines.leave(late)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
    assert isinstance(ended[0], asyncio.CancelledError)


async def test_it_needs_a_task() -> None:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[None] = loop.create_future()

    def enter() -> None:
        try:
            Deadlines().enter(execution())
        except RuntimeError as error:
            answer.set_exception(error)

    loop.call_soon(enter)
    with pytest.raises(RuntimeError, match="needs a task"):
        await answer


async def test_a_time_out_while_storing_says_that_the_outcome_is_open() -> None:
    store = SlowStore()
    async with over(store) as runtime:
        with pytest.raises(CommandTimeout) as caught:
            await runtime.dispatch(Add(counter="a", amount=1), timeout=0.01)
        store.open.set()
        assert caught.value.stored is None
        assert (await runtime.dispatch(Add(counter="a", amount=1))).version == 1


async def test_a_time_out_before_storing_says_that_nothing_was_stored() -> None:
    store = SlowStore()
    async with over(store) as runtime, asyncio.TaskGroup() as group:
        first = group.create_task(runtime.dispatch(Add(counter="a", amount=1)))
        await store.waiting.wait()
        with pytest.raises(CommandTimeout) as caught:
            await runtime.dispatch(Add(counter="a", amount=1), timeout=0.01)
        store.open.set()
        assert caught.value.stored is False
        assert (await first).version == 1
