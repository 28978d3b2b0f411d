"""A handler dispatches commands about an event: each once, however often it is delivered."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

import pytest

from chekov import (
    Again,
    Context,
    Delivered,
    Domain,
    EventFilter,
    EventHandler,
    MemoryStore,
    RecordedEvent,
    Retry,
    Runtime,
    handle,
)
from chekov.domain.failure import Decision
from chekov.errors import DefinitionError, InvalidCommand
from chekov.serialization.codec import decode_metadata
from tests.unit.engine.counter_domain import Add, AddAtMost, Added, Counter, Note, TooMuch
from tests.unit.engine.running import append, running
from tests.waiting import passed, until

REQUEST = UUID(int=7)


class Noting(EventHandler, name="noting"):
    """Notes each amount that is added, then does what `then` does."""

    def __init__(self, then: Callable[[Context], Awaitable[object]] | None = None) -> None:
        self.then = then
        self.contexts: list[Context] = []

    @handle
    async def added(self, event: Added, context: Context) -> None:
        self.contexts.append(context)
        await context.dispatch(Note(counter="notes", text=f"{context.identifier} {event.amount}"))
        if self.then is not None:
            await self.then(context)


async def notes(store: MemoryStore) -> Sequence[RecordedEvent]:
    return await store.read_stream("counter-notes")


async def added(runtime: Runtime, amount: int = 1) -> UUID:
    """The id of the event."""
    done = await runtime.dispatch(
        Add(counter="a", amount=amount), correlation_id=REQUEST, metadata={"tenant": "blue"}
    )
    return done.recorded[0].id


async def test_a_command_inherits_what_its_event_has() -> None:
    store = MemoryStore()
    handler = Noting()
    async with running(store, handler) as runtime:
        event = await added(runtime)
        await passed(runtime, 2)
        (note,) = await notes(store)
        assert runtime.decode(note).__dict__ == {"text": "a 1"}
    assert note.correlation_id == REQUEST
    assert note.causation_id == uuid5(event, "counting/noting/0")
    metadata = decode_metadata(note.metadata)
    assert metadata["tenant"] == "blue"
    assert metadata["$caused_by"] == str(event)


async def test_further_metadata_is_added() -> None:
    store = MemoryStore()
    found: list[Sequence[Added]] = []

    class Copying(EventHandler, name="copying"):
        @handle
        async def added(self, event: Added, context: Context) -> None:
            if context.identifier == "a":
                command = Add(counter="b", amount=event.amount)
                found.append(
                    await context.dispatch(command, metadata={"of": "a"}, expected_version=0)
                )

    async with running(store, Copying()) as runtime:
        await added(runtime, 3)
        await passed(runtime, 2)
        (event,) = await store.read_stream("counter-b")
    assert [list(events) for events in found] == [[Added(amount=3)]]
    metadata = decode_metadata(event.metadata)
    assert (metadata["tenant"], metadata["of"]) == ("blue", "a")


async def test_metadata_that_is_no_mapping_is_refused_as_ever() -> None:
    refused: list[InvalidCommand] = []

    async def wrong(context: Context) -> None:
        metadata: object = "tenant"
        try:
            await context.dispatch(Note(counter="x", text="y"), metadata=metadata)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        except InvalidCommand as error:
            refused.append(error)

    async with running(MemoryStore(), Noting(wrong)) as runtime:
        await added(runtime)
        await passed(runtime, 2)
    assert "expected a mapping" in str(refused[0])


async def test_an_event_that_is_delivered_again_repeats_no_command() -> None:
    store = MemoryStore()

    async def fail(context: Context) -> None:
        await context.dispatch(Note(counter="notes", text="second"))
        if context.attempt == 1:
            raise RuntimeError("not yet")

    handler = Noting(fail)
    async with running(store, handler) as runtime:
        await added(runtime)
        await passed(runtime, 3)
        assert [context.attempt for context in handler.contexts] == [1, 2]
        texts = [runtime.decode(item).__dict__["text"] for item in await notes(store)]
    assert texts == ["a 1", "second"]


async def test_a_crash_between_the_command_and_the_checkpoint_repeats_none() -> None:
    store = MemoryStore()
    dispatched = asyncio.Event()

    async def hang(_context: Context) -> None:
        dispatched.set()
        await asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with running(store, Noting(hang)) as runtime:
            await added(runtime)
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(run())
    await dispatched.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again = Noting()
    async with running(store, again) as runtime:
        assert len(await notes(store)) == 1  # of the run before
        await passed(runtime, 2)
        assert len(await notes(store)) == 1
    assert len(again.contexts) == 1


async def test_another_version_repeats_none_and_another_handler_sends_its_own() -> None:
    class Later(Noting, name="noting", version=2):
        pass

    class Other(Noting, name="other"):
        pass

    store = MemoryStore()
    for handler, expected in ((Noting(), 1), (Later(), 1), (Other(), 2)):
        async with running(store, handler) as runtime:
            if not await notes(store):
                await added(runtime)
            await until(lambda handler=handler: handler.contexts)
            await passed(runtime, 1)
            assert len(await notes(store)) == expected


async def test_other_commands_at_the_next_delivery_are_an_error_that_says_so() -> None:
    numbers = iter("wxyz")

    async def differ(context: Context) -> None:
        await context.dispatch(Add(counter=next(numbers), amount=0))
        await context.dispatch(Note(counter=next(numbers), text="differs"))
        raise RuntimeError("not yet")

    store = MemoryStore()
    async with running(store, Noting(differ), retry=Retry(attempts=2, first=0.001)) as runtime:
        await added(runtime)
        await until(lambda: runtime.parked("noting"))
        (parked,) = await runtime.parked("noting")
    assert "its command 3 was Note to 'counter-x': dispatch the same commands" in parked.error


async def test_a_command_is_scheduled_once_and_cancelled() -> None:
    store = MemoryStore()
    chosen = UUID(int=9)

    async def schedule(context: Context) -> None:
        later = Note(counter="later", text="1")
        await context.schedule(later, after=timedelta(days=1), metadata={"by": "clock"})
        await context.schedule(later, at=context.time + timedelta(days=2))
        await context.schedule(later, cron="0 0 1 * *", timezone="Europe/Berlin", id=chosen)
        if context.attempt == 1:
            raise RuntimeError("not yet")
        assert await context.cancel(chosen)
        assert not await context.cancel(chosen)

    handler = Noting(schedule)
    async with running(store, handler) as runtime:
        event = await added(runtime)
        await passed(runtime, 2)
        first, second = await store.schedules.list("counting")
    assert [context.attempt for context in handler.contexts] == [1, 2]
    time = handler.contexts[0].time
    assert (first.id, first.due) == (uuid5(event, "counting/noting/1"), time + timedelta(days=1))
    assert (second.id, second.due) == (uuid5(event, "counting/noting/2"), time + timedelta(days=2))
    assert first.correlation_id == REQUEST
    assert decode_metadata(first.metadata) == {"tenant": "blue", "by": "clock"}


async def test_what_was_cancelled_stays_so_when_its_event_comes_again() -> None:
    """As it does when the handler fails after it has cancelled."""
    store = MemoryStore()
    chosen = UUID(int=9)

    async def schedule(context: Context) -> None:
        later = Note(counter="later", text="1")
        once = await context.schedule(later, after=timedelta(days=1))
        again = await context.schedule(later, cron="0 0 1 * *", id=chosen)
        assert await context.cancel(once) == (context.attempt == 1)
        assert await context.cancel(again) == (context.attempt == 1)
        if context.attempt == 1:
            raise RuntimeError("not yet")

    async with running(store, Noting(schedule)) as runtime:
        await added(runtime)
        await passed(runtime, 2)
        assert not await runtime.scheduled.list()
        await runtime.schedule(Note(counter="later", text="1"), cron="0 0 1 * *", id=chosen)
        assert [item.id for item in await runtime.scheduled.list()] == [chosen]


async def test_a_scheduled_command_names_the_event_as_its_cause() -> None:
    store = MemoryStore()

    async def schedule(context: Context) -> None:
        await context.schedule(Note(counter="later", text="1"), after=timedelta(0))

    async with running(store, Noting(schedule)) as runtime:
        event = await added(runtime)

        async def is_noted() -> bool:
            return bool(await store.read_page(filter=EventFilter(stream="counter-later")))

        await until(is_noted)
        caused = await store.read_page(filter=EventFilter(caused_by=event))
        assert [item.stream for item in caused] == ["counter-notes", "counter-later"]
        assert {item.correlation_id for item in caused} == {REQUEST}


async def test_a_time_that_cannot_be_used_is_refused() -> None:
    refused: list[ValueError] = []

    async def wrong(context: Context) -> None:
        later = Note(counter="later", text="1")
        for when in ({}, {"after": timedelta(-1)}, {"after": timedelta(1), "cron": "* * * * *"}):
            try:
                await context.schedule(later, **when)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            except ValueError as error:
                refused.append(error)

    async with running(MemoryStore(), Noting(wrong)) as runtime:
        await added(runtime)
        await passed(runtime, 2)
        assert not await runtime.scheduled.list()
    assert len(refused) == 3


async def test_a_refusal_reaches_the_handler() -> None:
    refused: list[TooMuch] = []

    async def too_much(context: Context) -> None:
        try:
            await context.dispatch(AddAtMost(counter="a", amount=5, limit=3))
        except TooMuch as error:
            refused.append(error)

    async with running(MemoryStore(), Noting(too_much)) as runtime:
        await added(runtime)
        await passed(runtime, 2)
    assert len(refused) == 1


class Batched(EventHandler, name="batched"):
    def __init__(self, *, alone: bool) -> None:
        self.alone = alone
        self.errors: list[Exception] = []

    @handle(batch=(10, timedelta(0)))
    async def added(self, deliveries: Sequence[Delivered[Added]], context: Context) -> None:
        if self.alone:
            for event, own in deliveries:
                await own.dispatch(Note(counter="notes", text=str(event.amount)))
            return
        note = Note(counter="notes", text="all")
        for sending in (
            context.dispatch(note),
            context.schedule(note, after=timedelta(1)),
            context.cancel(REQUEST),
        ):
            try:
                await sending
            except DefinitionError as error:
                self.errors.append(error)


async def test_in_a_batch_each_event_has_its_commands() -> None:
    store = MemoryStore()
    async with running(store, Batched(alone=True)) as runtime:
        for amount in (1, 2, 3):
            await added(runtime, amount)
        await until(lambda: stored(store, 3))
        events = {item.id: item.position for item in await store.read_stream("counter-a")}
        causes = [decode_metadata(item.metadata)["$caused_by"] for item in await notes(store)]
    assert [UUID(cause) for cause in causes] == list(events)


async def stored(store: MemoryStore, count: int) -> bool:
    return len(await notes(store)) == count


async def test_the_context_of_a_whole_batch_dispatches_nothing() -> None:
    handler = Batched(alone=False)
    async with running(MemoryStore(), handler) as runtime:
        await added(runtime)
        await passed(runtime, 1)
    assert len(handler.errors) == 3
    for error in handler.errors:
        assert "use that of one event: `delivered.context.dispatch" in str(error)


class Deciding(EventHandler, name="deciding"):
    def __init__(self) -> None:
        self.found: list[object] = []

    @handle
    async def added(self, event: Added, context: Context) -> None:
        if context.attempt == 1:
            raise RuntimeError("again")

    def on_error(self, error: Exception, event: object, context: Context) -> Decision | None:
        self.found.append(context.identifier)
        sending = context.dispatch(Note(counter="a", text="no"))
        with pytest.raises(DefinitionError) as caught:
            sending.send(None)
        self.found.append(str(caught.value))
        return Again(after=0)


async def test_who_decides_about_an_error_dispatches_nothing() -> None:
    handler = Deciding()
    async with running(MemoryStore(), handler, retry=Retry(attempts=3, first=0.001)) as runtime:
        await added(runtime)
        await passed(runtime, 1)
    assert handler.found[0] == "a"
    assert "Deciding.on_error has 1 fault" in str(handler.found[1])


async def test_a_stream_of_no_aggregate_has_no_identifier() -> None:
    found: list[object] = []

    class Looking(EventHandler, name="looking"):
        @handle
        async def added(self, event: Added, context: Context) -> None:
            found.append(context.identifier)

    store = MemoryStore()
    async with running(store, Looking()) as runtime:
        await append(store, b'{"amount": 1}', stream="elsewhere")
        await append(store, b'{"amount": 1}', stream="other-7")
        await append(store, b'{"amount": 1}', stream="counter-7")
        await passed(runtime, 3)
    assert found == [None, None, "7"]


async def test_a_context_that_was_made_by_hand_is_connected_to_nothing() -> None:
    context = Context(
        stream="counter-a",
        version=1,
        position=1,
        id=uuid4(),
        time=datetime.now(UTC),
        correlation_id=None,
        causation_id=None,
        metadata={},
        replaying=False,
        attempt=1,
    )
    assert context.identifier is None
    with pytest.raises(DefinitionError, match="it was made by hand"):
        await context.dispatch(Note(counter="a", text="b"))
    assert Domain("counting", aggregates=[Counter]).identifier_in("counter-a") == "a"
