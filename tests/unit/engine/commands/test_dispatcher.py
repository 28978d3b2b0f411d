import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from chekov import Domain, MemoryStore, Runtime
from chekov.errors import (
    CommandTimeout,
    Draining,
    InvalidCommand,
    Overloaded,
    StoreClosed,
    StreamNotFound,
    UnknownCommand,
    WrongExpectedVersion,
)
from chekov.serialization.codec import decode_metadata
from chekov.store.port import Appended, Expected, NewEvent
from tests.doubles import OwnEvents
from tests.unit.engine.bank import Add, AddAtMost, Break, Counter, Doubling, Note, TooMuch

DOMAIN = Domain("counting", aggregates=[Counter], command_handlers=[Doubling()])


class SlowStore(OwnEvents):
    """Appends only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.waiting = asyncio.Event()

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: int = Expected.ANY,
        command_id: UUID | None = None,
    ) -> Appended:
        self.waiting.set()
        await self.open.wait()
        return await super().append(stream, events, expected=expected, command_id=command_id)


class ContendedStore(OwnEvents):
    """Somebody else is quicker each time."""

    def __init__(self) -> None:
        super().__init__()
        self.quicker = True
        self.lost = 0

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: int = Expected.ANY,
        command_id: UUID | None = None,
    ) -> Appended:
        if self.quicker:
            self.lost += 1
            await super().append(stream, [NewEvent(uuid4(), "Added", b'{"amount": 0}')])
        return await super().append(stream, events, expected=expected, command_id=command_id)


def over(store: MemoryStore, **options: float) -> Runtime:
    return Runtime(DOMAIN, store=store, subscriptions=False, **options)  # type: ignore[arg-type]


async def test_a_command_stores_its_events_and_answers_where() -> None:
    async with over(MemoryStore()) as runtime:
        done = await runtime.dispatch(Add(counter="a", amount=3))
    assert (done.stream, done.version, done.position) == ("counter-a", 1, 1)
    assert [event.amount for event in done.events] == [3]
    assert done.recorded[0].causation_id == done.command_id == done.correlation_id


async def test_ids_and_metadata_of_the_caller_are_stored() -> None:
    command, correlation, cause = uuid4(), uuid4(), uuid4()
    async with over(MemoryStore()) as runtime:
        done = await runtime.dispatch(
            Add(counter="a", amount=3),
            command_id=command,
            correlation_id=correlation,
            causation_id=cause,
            metadata={"user": "ada"},
        )
    stored = done.recorded[0]
    assert (stored.causation_id, stored.correlation_id) == (command, correlation)
    assert decode_metadata(stored.metadata) == {
        "user": "ada",
        "caused_by": str(cause),
        "$command": "Add",
    }


async def test_a_command_that_yields_nothing_stores_nothing() -> None:
    async with over(MemoryStore()) as runtime:
        await runtime.dispatch(Add(counter="a", amount=3))
        done = await runtime.dispatch(Add(counter="a", amount=0))
        assert (done.version, done.position, list(done.events)) == (1, 0, [])
        assert await runtime.store.head() == 1


async def test_state_is_rebuilt_from_the_store() -> None:
    store = MemoryStore()
    async with over(store) as runtime:
        for _ in range(3):
            await runtime.dispatch(Add(counter="a", amount=2))
    async with over(store) as runtime:
        with pytest.raises(TooMuch):
            await runtime.dispatch(AddAtMost(counter="a", amount=5, limit=10))
        loaded = await runtime.load(Counter, "a")
    assert (loaded.state.total, loaded.version) == (6, 3)


async def test_commands_to_one_instance_run_one_at_a_time() -> None:
    async with over(MemoryStore()) as runtime:
        outcomes = await asyncio.gather(
            *(runtime.dispatch(AddAtMost(counter="a", amount=1, limit=10)) for _ in range(30)),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, TooMuch) for outcome in outcomes) == 20
        assert (await runtime.load(Counter, "a")).state.total == 10


async def test_what_others_stored_meanwhile_is_read_and_the_command_runs_again() -> None:
    store = MemoryStore()
    async with over(store) as one, over(store) as other:
        await one.dispatch(Add(counter="a", amount=1))
        await other.dispatch(Add(counter="a", amount=1))
        done = await one.dispatch(AddAtMost(counter="a", amount=1, limit=3))
        assert done.version == 3
        with pytest.raises(TooMuch):
            await other.dispatch(AddAtMost(counter="a", amount=1, limit=3))


async def test_who_is_always_too_late_gives_up_in_the_end_or_in_its_time() -> None:
    store = ContendedStore()
    async with over(store) as runtime:
        with pytest.raises(WrongExpectedVersion):
            await runtime.dispatch(Add(counter="a", amount=1), timeout=60)
        assert store.lost == 11
        with pytest.raises(CommandTimeout) as caught:
            await runtime.dispatch(Add(counter="a", amount=1), timeout=0.01)
        assert caught.value.stored is False
        assert store.lost < 22
        store.quicker = False
        assert (await runtime.dispatch(Add(counter="a", amount=1))).version == store.lost + 1


async def test_a_refusal_by_an_old_state_does_not_count() -> None:
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


async def test_an_event_that_its_applier_refuses_is_never_stored() -> None:
    async with over(MemoryStore()) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        with pytest.raises(ValueError, match="refuses"):
            await runtime.dispatch(Add(counter="a", amount=-1))
        assert (await runtime.load(Counter, "a")).state.total == 1
        assert await runtime.store.head() == 1


async def test_a_broken_executor_harms_nobody_else() -> None:
    async with over(MemoryStore()) as runtime:
        with pytest.raises(ZeroDivisionError):
            await runtime.dispatch(Break(counter="a"))
        assert (await runtime.dispatch(Add(counter="a", amount=1))).version == 1


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


async def test_too_many_commands_are_refused_at_the_door() -> None:
    store = SlowStore()
    async with over(store, max_in_flight=1) as runtime, asyncio.TaskGroup() as group:
        group.create_task(runtime.dispatch(Add(counter="a", amount=1)))
        await store.waiting.wait()
        with pytest.raises(Overloaded):
            await runtime.dispatch(Add(counter="b", amount=1))
        store.open.set()


async def test_draining_finishes_what_is_in_flight_and_refuses_the_rest() -> None:
    store = SlowStore()
    async with over(store) as runtime, asyncio.TaskGroup() as group:
        first = group.create_task(runtime.dispatch(Add(counter="a", amount=1)))
        await store.waiting.wait()
        drain = group.create_task(runtime.drain())
        while True:
            try:
                await runtime.dispatch(Add(counter="b", amount=1), timeout=0.01)
            except Draining:
                break
            except CommandTimeout:
                continue
        store.open.set()
        await drain
        assert (await first).version == 1


async def test_unusable_commands_are_refused_with_the_reason() -> None:
    class Foreign(Add):
        pass

    async with over(MemoryStore()) as runtime:
        with pytest.raises(UnknownCommand, match="Foreign"):
            await runtime.dispatch(Foreign(counter="a", amount=1))
        with pytest.raises(InvalidCommand, match="1 to"):
            await runtime.dispatch(Add(counter="", amount=1))
        with pytest.raises(InvalidCommand, match="metadata"):
            await runtime.dispatch(Add(counter="a", amount=1), metadata={"x": object()})
        with pytest.raises(StreamNotFound):
            await runtime.load(Counter, "a")


async def test_a_runtime_that_is_not_entered_says_so() -> None:
    with pytest.raises(StoreClosed, match="async with"):
        await over(MemoryStore()).dispatch(Add(counter="a", amount=1))
