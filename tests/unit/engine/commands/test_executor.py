"""A command is decided by the newest state, and again after a conflict."""

import asyncio

import pytest

from chekov import Aggregate, Domain, MemoryStore, Runtime
from chekov.errors import CommandTimeout, TooManyConflicts, UnusableState, WrongExpectedVersion
from chekov.store.port import Expected
from tests.unit.engine.commands.counting import ContendedStore, over
from tests.unit.engine.counter_domain import Add, AddAtMost, Break, Counter, Note, TooMuch
from tests.unit.engine.exits import EXITS
from tests.unit.engine.snapshot_counter import KeptCounter


async def test_a_command_stores_its_events_and_answers_where() -> None:
    async with over(MemoryStore()) as runtime:
        done = await runtime.dispatch(Add(counter="a", amount=3))
    assert (done.stream, done.version, done.position) == ("counter-a", 1, 1)
    assert [event.amount for event in done.events] == [3]
    assert done.recorded[0].causation_id == done.command_id == done.correlation_id


async def test_a_command_that_yields_nothing_stores_nothing() -> None:
    async with over(MemoryStore()) as runtime:
        await runtime.dispatch(Add(counter="a", amount=3))
        done = await runtime.dispatch(Add(counter="a", amount=0))
        assert (done.version, done.position, list(done.events)) == (1, 0, [])
        assert await runtime.store.head() == 1


async def test_after_a_conflict_the_command_is_decided_by_the_newer_events() -> None:
    store = MemoryStore()
    async with over(store) as one, over(store) as other:
        await one.dispatch(Add(counter="a", amount=1))
        await other.dispatch(Add(counter="a", amount=1))
        done = await one.dispatch(AddAtMost(counter="a", amount=1, limit=3))
        assert done.version == 3
        with pytest.raises(TooMuch):
            await other.dispatch(AddAtMost(counter="a", amount=1, limit=3))


async def test_a_command_that_always_conflicts_gives_up_after_its_retries_or_its_timeout() -> None:
    store = ContendedStore()
    async with over(store) as runtime:
        with pytest.raises(TooManyConflicts, match="at each of 11 attempts") as exhausted:
            await runtime.dispatch(Add(counter="a", amount=1), timeout=240)
        assert (exhausted.value.stream, store.lost) == ("counter-a", 11)
        with pytest.raises(CommandTimeout) as caught:
            await runtime.dispatch(Add(counter="a", amount=1), timeout=0.01)
        assert caught.value.stored is False
        assert store.lost < 22
        store.overtaking = False
        assert (await runtime.dispatch(Add(counter="a", amount=1))).version == store.lost + 1


async def test_a_rejection_by_a_stale_state_is_decided_again() -> None:
    store = MemoryStore()
    async with over(store) as one, over(store) as other:
        await one.dispatch(Add(counter="a", amount=5))
        with pytest.raises(TooMuch):
            await one.dispatch(AddAtMost(counter="a", amount=1, limit=5))
        await other.dispatch(Add(counter="b", amount=1))
        assert (await one.dispatch(Note(counter="b", text="x"))).events[0].text == "x at 1"


async def test_an_expected_version_is_never_retried() -> None:
    async with over(MemoryStore()) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        with pytest.raises(WrongExpectedVersion) as caught:
            await runtime.dispatch(Add(counter="a", amount=1), expected_version=0)
        assert (caught.value.expected, caught.value.actual) == ("no stream", 1)
        assert (await runtime.dispatch(Add(counter="a", amount=1), expected_version=1)).version == 2


async def test_a_stream_can_be_expected_to_exist() -> None:
    async with over(MemoryStore()) as runtime:
        with pytest.raises(WrongExpectedVersion, match="existing"):
            await runtime.dispatch(
                Add(counter="a", amount=1), expected_version=Expected.STREAM_EXISTS
            )
        await runtime.dispatch(Add(counter="a", amount=1), expected_version=Expected.ANY)
        done = await runtime.dispatch(
            Add(counter="a", amount=1), expected_version=Expected.STREAM_EXISTS
        )
        assert done.version == 2


async def test_a_command_handler_sees_the_state_first() -> None:
    async with over(MemoryStore()) as runtime:
        await runtime.dispatch(Add(counter="a", amount=4))
        done = await runtime.dispatch(Note(counter="a", text="four"))
    assert done.events[0].text == "four at 4"


async def test_the_state_right_after_a_command_is_returned_on_request() -> None:
    async with over(MemoryStore()) as runtime:

        async def add() -> tuple[int, Aggregate | None]:
            done = await runtime.dispatch(Add(counter="a", amount=1), with_state=True)
            return done.version, done.state

        answers = await asyncio.gather(*(add() for _ in range(50)))
        assert sorted(answers) == [(at, Counter(total=at)) for at in range(1, 51)]
        unchanged = await runtime.dispatch(Add(counter="a", amount=0), with_state=True)
        assert (unchanged.state, unchanged.state_error) == (Counter(total=50), None)
        assert (await runtime.dispatch(Add(counter="a", amount=1))).state is None


async def test_the_state_that_is_returned_is_a_copy() -> None:
    domain = Domain("counting", aggregates=[KeptCounter])
    async with Runtime(domain, store=MemoryStore()) as runtime:
        done = await runtime.dispatch(Add(counter="a", amount=1), with_state=True)
        assert isinstance(done.state, KeptCounter)
        done.state.amounts.clear()
        assert (await runtime.load(KeptCounter, "a")).state.amounts == [1]


class Uncopied(Counter, identity="uncopied"):
    def __deepcopy__(self, memo: object) -> Counter:
        raise EXITS[0]


async def test_a_state_that_cannot_be_copied_is_no_error_of_the_command() -> None:
    domain = Domain("counting", aggregates=[Uncopied])
    async with Runtime(domain, store=MemoryStore()) as runtime:
        done = await runtime.dispatch(Add(counter="a", amount=1), with_state=True)
        assert (done.version, done.state) == (1, None)
        assert "cannot be copied" in str(done.state_error)
        with pytest.raises(UnusableState, match="cannot be copied"):
            await runtime.load(Uncopied, "a")


async def test_an_event_that_its_applier_refuses_is_never_stored() -> None:
    async with over(MemoryStore()) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        with pytest.raises(ValueError, match="refuses"):
            await runtime.dispatch(Add(counter="a", amount=-1))
        assert (await runtime.load(Counter, "a")).state.total == 1
        assert await runtime.store.head() == 1


async def test_an_executor_that_fails_leaves_the_instance_usable() -> None:
    async with over(MemoryStore()) as runtime:
        with pytest.raises(ZeroDivisionError):
            await runtime.dispatch(Break(counter="a"))
        assert (await runtime.dispatch(Add(counter="a", amount=1))).version == 1


async def test_an_event_that_cannot_be_encoded_leaves_the_state_as_it_was() -> None:
    plain = Domain("counting", aggregates=[Counter])
    async with Runtime(plain, store=MemoryStore(), subscriptions=False) as runtime:
        await runtime.dispatch(Note(counter="a", text="one"))
        with pytest.raises(Exception, match="text"):
            await runtime.dispatch(Note(counter="a", text=5))  # type: ignore[arg-type]
        done = await runtime.dispatch(Note(counter="a", text="two"))
        assert done.version == 2
        assert (await runtime.load(Counter, "a")).state.notes == 2
