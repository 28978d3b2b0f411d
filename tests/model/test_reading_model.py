"""Programs and clients that follow the log, or a stream: nothing lost, doubled or out of order.

While they do, events are stored and erased, caches are dropped, the runtime is closed and opened
again, and each comes back after the last event that it was given.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from chekov import Delivered, Domain, Event, EventFilter, MemoryStore, NewEvent, Runtime
from chekov.engine.subscriptions import page_reader
from chekov.errors import StreamNotFound
from chekov.store import page_size, tail
from chekov.store.filtered_log import FilteredLog
from chekov.store.port import Found
from chekov.store.stream_log import StreamLog
from chekov.uuid7 import uuid7
from tests.model.state_machines import StoreMachine, check
from tests.unit.engine.counter_domain import Added, Counter, Noted

DOMAIN = Domain("counting", aggregates=[Counter])
STREAMS = ("counter-a", "counter-b", "other-c")
NAMES: dict[str, bytes] = {"Added": b'{"amount":1}', "Noted": b'{"text":"x"}', "foreign": b"{}"}
FILTERS = (
    EventFilter(),
    EventFilter(category="counter"),
    EventFilter(stream="counter-a"),
    EventFilter(types=frozenset({"Noted"})),
)
TYPES: tuple[tuple[type[Event], ...], ...] = ((), (Added,), (Noted,))
SECONDS = 60
"""Far more than it takes to read an event that is there."""


class Stored(NamedTuple):
    position: int
    stream: str
    version: int
    type: str
    metadata: None = None
    correlation_id: None = None
    causation_id: None = None


class Program:
    """Reads by `subscribe`, from a position that it keeps."""

    def __init__(self, filter: EventFilter, types: tuple[type[Event], ...], after: int) -> None:
        self.filter = filter
        self.names = frozenset(kind.__name__ for kind in types) or {"Added", "Noted"}
        self.types = types
        self.last = after
        self.items: AsyncGenerator[Delivered[Any]] | None = None

    def wants(self, event: Stored) -> bool:
        return (
            event.position > self.last and event.type in self.names and self.filter.matches(event)
        )

    def number(self, event: Stored) -> int:
        return event.position

    async def connect(self, runtime: Runtime) -> None:
        await self.leave()
        self.items = runtime.subscribe(*self.types, filter=self.filter, after=self.last)

    async def leave(self) -> None:
        if self.items is not None:
            await self.items.aclose()

    async def next(self) -> int:
        assert self.items is not None
        self.last = (await anext(self.items)).context.position
        return self.last


class Client:
    """Reads as an event stream does: what is found next, from the number that it was sent last.

    The store's own events, such as of an erasure, are passed over.
    """

    def __init__(self, wanted: Callable[[Stored], bool], after: int) -> None:
        self.wanted = wanted
        self.last = self.through = after
        self.found: list[int] = []

    async def leave(self) -> None:
        self.found.clear()
        self.through = self.last

    async def next(self) -> int:
        while not self.found:
            found = await self.read()
            own = [event for event in found.events if not event.type.startswith("$")]
            self.found = [self.number(event) for event in own]
            self.through = found.through
        self.last = self.found.pop(0)
        return self.last

    def wants(self, event: Stored) -> bool:
        return self.number(event) > self.last and self.wanted(event)

    def number(self, event: Any) -> int:
        raise NotImplementedError

    async def read(self) -> Found:
        raise NotImplementedError


class LogClient(Client):
    def __init__(self, filter: EventFilter, after: int) -> None:
        super().__init__(filter.matches, after)
        self.filter = filter

    async def connect(self, runtime: Runtime) -> None:
        await self.leave()
        self.log = FilteredLog(runtime.store, self.filter)

    def number(self, event: Any) -> int:
        return event.position

    async def read(self) -> Found:
        return await self.log.after(self.through)


class StreamClient(Client):
    """Of one stream, by version; it ends with the stream."""

    def __init__(self, stream: str) -> None:
        super().__init__(lambda event: event.stream == stream, 0)
        self.stream = stream
        self.log: StreamLog | None = None

    async def connect(self, runtime: Runtime) -> None:
        await self.leave()
        self.log = None
        with suppress(StreamNotFound):
            info = await runtime.store.streams.info(self.stream)
            if info.version >= self.last:  # else the name is another stream's
                self.log = StreamLog(runtime.store, info)

    @property
    def ended(self) -> bool:
        return self.log is None or self.log.ended

    def number(self, event: Any) -> int:
        return event.version

    async def read(self) -> Found:
        assert self.log is not None
        return await self.log.after(self.through)


Reader = Program | LogClient | StreamClient


class ReadingMachine(StoreMachine):
    """Knows which events there are, and compares what each reader is given next."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Stored] = []
        self.readers: list[Reader] = []
        self.head = 0
        self.stack = AsyncExitStack()
        self.run(self._open())

    async def _open(self) -> None:
        self.runtime = await self.stack.enter_async_context(Runtime(DOMAIN, store=self.store))
        for reader in self.readers:
            await reader.connect(self.runtime)

    async def _close(self) -> None:
        await self.stack.aclose()
        for reader in self.readers:
            if isinstance(reader, Program) and reader.items is not None:
                rest = [item async for item in reader.items]
                assert rest == [], "it went on after the end of its runtime"

    @rule(
        stream=st.sampled_from(STREAMS),
        types=st.lists(st.sampled_from(sorted(NAMES)), min_size=1, max_size=4),
        times=st.sampled_from((1, 1, 5)),
    )
    def append(self, stream: str, types: list[str], times: int) -> None:
        self.run(self._append(stream, types * times))

    async def _append(self, stream: str, types: Sequence[str]) -> None:
        items = [NewEvent(uuid7(), name, NAMES[name]) for name in types]
        appended = await self.store.append(stream, items)
        self.events += [
            Stored(event.position, stream, event.version, event.type) for event in appended.recorded
        ]
        self.head = appended.position

    @rule(stream=st.sampled_from(STREAMS))
    def erase(self, stream: str) -> None:
        if any(event.stream == stream for event in self.events):
            self.run(self.store.streams.delete(stream, erase=True))
            self.events = [event for event in self.events if event.stream != stream]
            for reader in list(self.readers):
                if isinstance(reader, StreamClient) and reader.stream == stream:
                    self.run(self._sees_its_end(reader))
                elif isinstance(reader, Client):
                    self.run(reader.leave())  # what was found may have been erased

    async def _sees_its_end(self, reader: StreamClient) -> None:
        reader.found.clear()  # it may have been erased, so it is not sent
        if reader.log is not None:
            assert not (await reader.read()).events
            assert reader.ended
        self.readers.remove(reader)

    @rule(
        filter=st.sampled_from(FILTERS),
        types=st.sampled_from(TYPES),
        part=st.sampled_from((0.0, 0.5, 1.0)),
    )
    def a_program_subscribes(
        self, filter: EventFilter, types: tuple[type[Event], ...], part: float
    ) -> None:
        self._join(Program(filter, types, int(self.head * part)))

    @rule(filter=st.sampled_from(FILTERS), part=st.sampled_from((0.0, 0.5, 1.0)))
    def a_client_follows_the_log(self, filter: EventFilter, part: float) -> None:
        self._join(LogClient(filter, int(self.head * part)))

    @precondition(lambda self: self.events)
    @rule(data=st.data())
    def a_client_follows_a_stream(self, data: st.DataObject) -> None:
        streams = sorted({event.stream for event in self.events})
        self._join(StreamClient(data.draw(st.sampled_from(streams))))

    def _join(self, reader: Reader) -> None:
        self.run(reader.connect(self.runtime))
        self.readers.append(reader)

    @precondition(lambda self: self.readers)
    @rule(number=st.integers(0, 20), most=st.sampled_from((1, 3, 10_000)))
    def read(self, number: int, most: int) -> None:
        self._read(self.readers[number % len(self.readers)], most)

    def _read(self, reader: Reader, most: int) -> None:
        expected = [reader.number(event) for event in self.events if reader.wants(event)][:most]

        async def given() -> list[int]:
            async with asyncio.timeout(SECONDS):
                return [await reader.next() for _ in expected]

        assert self.run(given()) == expected

    @precondition(lambda self: self.readers)
    @rule(number=st.integers(0, 20))
    def a_reader_comes_back(self, number: int) -> None:
        self.run(self.readers[number % len(self.readers)].connect(self.runtime))

    @rule()
    def caches_are_dropped(self) -> None:
        self.store.tail.drop()
        for reader in self.readers:
            if isinstance(reader, Client):
                self.run(reader.leave())  # what was found and not sent is found again

    @rule()
    def the_runtime_is_closed_and_opened_again(self) -> None:
        self.run(self._close())
        self.run(self._open())

    def teardown(self) -> None:
        try:
            for reader in self.readers:
                self._read(reader, 1_000_000)
            # Whatever was given twice would come before these.
            for stream in STREAMS:
                self.run(self._append(stream, sorted(NAMES)))
            for reader in self.readers:
                self._read(reader, 1_000_000)
        finally:
            self.run(self._end())
            super().teardown()

    async def _end(self) -> None:
        for reader in self.readers:
            await reader.leave()
        await self.stack.aclose()


def test_every_reader_is_given_each_event_once_and_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So that a few events are read in every way: from the tail, in pages, and by filter.
    monkeypatch.setattr(page_size, "_FIRST_EVENTS", 2)
    monkeypatch.setattr(page_size, "MOST_EVENTS", 3)
    for module in (tail, page_reader):
        monkeypatch.setattr(module, "REACH", 3)
    check(ReadingMachine, MemoryStore, examples=12, steps=25)
