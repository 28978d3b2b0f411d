"""Programs read events: those that are stored, and new ones, without a gap and each once."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from chekov import (
    CheckpointAhead,
    Delivered,
    Domain,
    Event,
    EventFilter,
    InvalidArgument,
    MemoryStore,
    NewEvent,
    RecordedEvent,
    Runtime,
    StoreClosed,
    StoreUnavailable,
    Undecodable,
)
from chekov.errors import DefinitionError
from chekov.uuid7 import uuid7
from tests.unit.engine.counter_domain import Add, Added, Counter, Note, Noted
from tests.waiting import until

DOMAIN = Domain("counting", aggregates=[Counter])
FAR = 3000
"""More events than a reader near the head is served from the tail."""


@asynccontextmanager
async def running(store: MemoryStore | None = None) -> AsyncGenerator[Runtime]:
    async with asyncio.timeout(240), Runtime(DOMAIN, store=store or MemoryStore()) as runtime:
        yield runtime


async def filled(into: MemoryStore | None = None) -> MemoryStore:
    """A store with so many events that a reader of the first ones reads pages."""
    into = into or MemoryStore()
    async with running(into) as runtime:
        await store(runtime, FAR)
    into.tail.drop()
    return into


async def store(runtime: Runtime, count: int, *, stream: str = "counter-a") -> None:
    """Add 1, 2, 3, …."""
    items = [NewEvent(uuid7(), "Added", b'{"amount":%d}' % (number + 1)) for number in range(count)]
    await runtime.store.append(stream, items)


async def taken(
    items: AsyncGenerator[Delivered[Any]], count: int | None = None
) -> list[Delivered[Any]]:
    found: list[Delivered[Any]] = []
    async with aclosing(items):
        async for item in items:
            found.append(item)
            if len(found) == count:
                break
    return found


def positions(items: Sequence[Delivered[Any]]) -> list[int]:
    return [item.context.position for item in items]


async def test_what_is_stored_comes_first_and_then_what_is_new() -> None:
    async with running(await filled()) as runtime:
        subscription = runtime.subscribe()
        found = [await anext(subscription) for _ in range(FAR)]
        assert positions(found) == list(range(1, FAR + 1))
        assert [item.event for item in found[:2]] == [Added(amount=1), Added(amount=2)]
        assert all(item.context.replaying for item in found)
        waiting = asyncio.ensure_future(anext(subscription))
        await runtime.dispatch(Note(counter="a", text="new"))
        event, context = await waiting
        assert event == Noted(text="new")
        assert (context.position, context.identifier) == (FAR + 1, "a")
        assert not context.replaying
        await subscription.aclose()


async def test_a_program_goes_on_after_a_position() -> None:
    async with running() as runtime:
        await store(runtime, 10)
        assert positions(await taken(runtime.subscribe(after=7), 3)) == [8, 9, 10]
        subscription = runtime.subscribe(after=await runtime.store.head())
        waiting = asyncio.ensure_future(anext(subscription))
        await runtime.dispatch(Add(counter="a", amount=99))
        assert (await waiting).event == Added(amount=99)
        await subscription.aclose()


@pytest.mark.parametrize("far", [True, False])
async def test_only_what_is_wanted_is_given(*, far: bool) -> None:
    into = MemoryStore()
    async with running(into) as runtime:
        await runtime.dispatch(Note(counter="b", text="first"))
    async with running(await filled(into) if far else into) as runtime:
        await store(runtime, 10, stream="counter-c")
        await runtime.dispatch(Note(counter="a", text="second"))
        await runtime.dispatch(Note(counter="b", text="third"))
        by_type = await taken(runtime.subscribe(Noted), 3)
        assert [item.event.text for item in by_type] == ["first", "second", "third"]
        by_stream = await taken(runtime.subscribe(filter=EventFilter(stream="counter-b")), 2)
        assert [item.event.text for item in by_stream] == ["first", "third"]
        both = await taken(
            runtime.subscribe(Noted, Added, filter=EventFilter(prefix="counter-c")), 2
        )
        assert [type(item.event) for item in both] == [Added, Added]


async def test_events_of_others_are_passed_over() -> None:
    async with running() as runtime:
        await runtime.store.append("other-1", [NewEvent(uuid7(), "Unknown", b"{}")])
        await store(runtime, 1)
        await runtime.delete(Counter, "a")
        await runtime.dispatch(Add(counter="b", amount=2))
        assert positions(await taken(runtime.subscribe(), 2)) == [2, 4]
        assert positions(await taken(runtime.events())) == [2, 4]


async def test_an_event_that_cannot_be_read_is_an_error() -> None:
    async with running() as runtime:
        await runtime.store.append("counter-a", [NewEvent(uuid7(), "Added", b'{"amount":"x"}')])
        await runtime.store.append("counter-a", [NewEvent(uuid7(), "Added@7", b"{}")])
        for after in (0, 1):
            with pytest.raises(Undecodable):
                await taken(runtime.subscribe(after=after))
            with pytest.raises(Undecodable):
                await taken(runtime.events(after=after))
        assert await taken(runtime.events(Noted)) == []


async def test_it_ends_when_the_runtime_drains() -> None:
    async with running() as runtime:
        await store(runtime, 2)
        reading = asyncio.create_task(taken(runtime.subscribe()))
        filtered = asyncio.create_task(taken(runtime.subscribe(filter=EventFilter(prefix="c"))))
        await asyncio.sleep(0)
        await runtime.dispatch(Add(counter="a", amount=3))
        await runtime.drain()
        for task in (reading, filtered):
            assert positions(await task) in ([1, 2, 3], [1, 2], [1], [])
        assert await taken(runtime.subscribe()) == []


async def test_it_ends_with_a_runtime_that_is_cancelled() -> None:
    ready = asyncio.Event()
    readers: list[asyncio.Task[list[Delivered[Any]]]] = []

    async def run() -> None:
        async with running() as runtime:
            readers.append(asyncio.create_task(taken(runtime.subscribe())))
            ready.set()
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(run())
    await ready.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await readers[0] == []


async def test_it_ends_with_its_task() -> None:
    async with running(await filled()) as runtime:
        task = asyncio.create_task(taken(runtime.subscribe()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(await taken(runtime.subscribe(), FAR)) == FAR


async def test_a_slow_program_holds_one_page_and_reads_the_rest_later() -> None:
    """What it was not given yet may be erased meanwhile, and then it is not given."""
    async with running() as runtime:
        await store(runtime, 5)
        subscription = runtime.subscribe()
        assert (await anext(subscription)).context.position == 1
        await runtime.delete(Counter, "a", erase=True)
        await runtime.dispatch(Add(counter="b", amount=7))
        assert (await anext(subscription)).event == Added(amount=7)
        await subscription.aclose()


@pytest.mark.parametrize("filter", [EventFilter(), EventFilter(prefix="c")])
async def test_it_waits_while_the_database_is_away(
    filter: EventFilter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def away(**_options: object) -> Sequence[RecordedEvent]:
        raise StoreUnavailable("the database is away")

    memory = await filled()
    async with running(memory) as runtime:
        with monkeypatch.context() as patched:
            patched.setattr(memory.events, "read_page", away)
            reading = asyncio.create_task(taken(runtime.subscribe(filter=filter), FAR))
            await until(lambda: caplog.text.count("events cannot be read") > 1)
            assert not reading.done()
        assert positions(await reading) == list(range(1, FAR + 1))


async def test_a_position_that_the_log_does_not_reach_is_an_error() -> None:
    async with running() as runtime:
        await store(runtime, 2)
        with pytest.raises(CheckpointAhead, match="position 3, and the log ends at 2"):
            await taken(runtime.subscribe(after=3))


async def test_it_needs_a_runtime_that_runs() -> None:
    runtime = Runtime(DOMAIN, store=MemoryStore())
    with pytest.raises(StoreClosed):
        await taken(runtime.subscribe())
    with pytest.raises(StoreClosed):
        await taken(runtime.events())


WRONG: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((), {"after": -1}, "expected a position, 0 or more"),
    ((), {"after": "now"}, "expected a position, 0 or more"),
    ((), {"filter": "counter"}, "expected an EventFilter"),
    ((int,), {}, "expected event types of the domain"),
    (("Added",), {}, "expected event types of the domain"),
]


@pytest.mark.parametrize(("types", "options", "said"), WRONG)
def test_wrong_arguments_are_refused_at_once(
    types: tuple[Any, ...], options: dict[str, Any], said: str
) -> None:
    runtime = Runtime(DOMAIN, store=MemoryStore())
    for read in (runtime.subscribe, runtime.events):
        with pytest.raises(InvalidArgument, match=said):
            read(*types, **options)


async def test_stored_events_are_read_in_both_directions() -> None:
    async with running() as runtime:
        await store(runtime, FAR)
        await store(runtime, 3, stream="counter-b")
        everything = positions(await taken(runtime.events()))
        assert everything == list(range(1, FAR + 4))
        assert positions(await taken(runtime.events(backwards=True))) == everything[::-1]
        assert positions(await taken(runtime.events(after=FAR))) == [FAR + 1, FAR + 2, FAR + 3]
        assert positions(await taken(runtime.events(after=3, backwards=True))) == [2, 1]


async def test_one_stream_is_read_by_version() -> None:
    async with running() as runtime:
        await store(runtime, 2)
        await store(runtime, 5, stream="counter-b")
        await runtime.dispatch(Note(counter="b", text="last"))
        read = await taken(runtime.events(stream="counter-b", after=2))
        assert [item.context.version for item in read] == [3, 4, 5, 6]
        read = await taken(runtime.events(Added, stream="counter-b", after=5, backwards=True))
        assert [item.event.amount for item in read] == [4, 3, 2, 1]
        assert await taken(runtime.events(stream="counter-none")) == []


async def test_what_is_read_dispatches_nothing() -> None:
    async with running() as runtime:
        await store(runtime, 1)
        [(_, context)] = await taken(runtime.events())
        with pytest.raises(DefinitionError, match=r"use `runtime\.dispatch\(…, causation_id="):
            await context.dispatch(Add(counter="a", amount=1))


async def test_a_base_class_stands_for_its_events() -> None:
    async with running() as runtime:
        await store(runtime, 1)
        assert positions(await taken(runtime.subscribe(Event), 1)) == [1]
