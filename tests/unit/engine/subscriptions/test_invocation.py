import asyncio
import signal

import pytest

from chekov import MemoryStore
from chekov.engine.subscriptions.invocation import failure_of
from chekov.errors import Draining, Overloaded, StoreUnavailable, Undecodable
from tests.unit.engine.counter_domain import Add, Added, Seen
from tests.unit.engine.exits import EXITS
from tests.unit.engine.running import running
from tests.waiting import passed


@pytest.mark.parametrize("error", EXITS, ids=repr)
async def test_an_exit_that_a_handler_lets_out_is_its_failure(error: BaseException) -> None:
    async def leave(event: Added) -> None:
        if event.amount == 1:
            raise error

    store = MemoryStore()
    seen = Seen(leave)
    async with running(store, seen) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await runtime.dispatch(Add(counter="b", amount=2))
        await passed(runtime, 2)
        assert runtime.healthy
        (parked,) = await store.subscriptions.parked("counting", "seen")
    assert seen.amounts == [2]
    assert parked.attempts == 3
    assert parked.error.startswith(type(error).__name__)


async def test_a_failure_names_every_error_of_a_task_group() -> None:
    async def ask(event: Added) -> None:
        inner = ExceptionGroup("of a part", [KeyError(event.amount)])
        raise BaseExceptionGroup("unhandled errors", [ValueError("no such address"), inner])

    store = MemoryStore()
    async with running(store, Seen(ask)) as runtime:
        await runtime.dispatch(Add(counter="a", amount=7))
        await passed(runtime, 1)
        (parked,) = await store.subscriptions.parked("counting", "seen")
    assert parked.error.endswith("ValueError: no such address; KeyError: 7")


def test_an_error_of_the_handler_is_its_failure() -> None:
    error = ValueError("no")
    failed = failure_of(error, None, done=3)
    assert failed is not None
    assert (failed.done, failed.error, str(failed)) == (3, error, "ValueError: no")
    assert not failed.hopeless
    assert not failed.excused


def test_an_event_that_cannot_be_decoded_is_hopeless() -> None:
    failed = failure_of(Undecodable("Added", "counter-a", 1, "no"), None, done=0)
    assert failed is not None
    assert failed.hopeless


def test_a_refusal_is_excused_also_from_a_task_group_unless_something_else_went_wrong() -> None:
    refusals = [Draining("bye"), ExceptionGroup("inner", [Overloaded("wait")])]
    for error, excused in (
        (refusals[0], True),
        (ExceptionGroup("outer", refusals), True),
        (ExceptionGroup("outer", [*refusals, ValueError("mine")]), False),
    ):
        failed = failure_of(error, None, done=0)
        assert failed is not None
        assert failed.excused is excused


def test_a_store_that_is_away_is_never_a_failure() -> None:
    away = StoreUnavailable("away")
    for error in (away, ExceptionGroup("outer", [away])):
        with pytest.raises(StoreUnavailable, match="away"):
            failure_of(error, None, done=0)
    mixed = failure_of(ExceptionGroup("outer", [away, ValueError("mine")]), None, done=0)
    assert mixed is not None


def test_the_end_of_the_process_is_not_a_failure() -> None:
    # A shell starts what it leaves in the background with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert failure_of(KeyboardInterrupt(), None, done=0) is None
    finally:
        signal.signal(signal.SIGINT, before)


async def test_a_cancellation_of_the_task_itself_is_not_a_failure() -> None:
    found: list[object] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            found.append(failure_of(error, asyncio.current_task(), done=0))
            raise

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert found == [None]
