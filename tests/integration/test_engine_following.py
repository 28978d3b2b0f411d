"""Two processes over one database: cached aggregates follow what the other one stores."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from os import urandom
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from chekov import Domain, PostgresStore, Runtime
from chekov.engine.observer import CommandObservation, Observer
from chekov.errors import TooManyConflicts
from chekov.store.port import NewEvent, RecordedEvent
from tests.unit.engine.counter_domain import Add, Counter, Note
from tests.waiting import until

ADD = Add(counter="a", amount=1)
NOTE = Note(counter="a", text="x" * 100_000)


class Process(Observer):
    """A runtime with a store of its own; counts its conflicts, and what it reads of streams."""

    def __init__(self, dsn: str) -> None:
        self.store = PostgresStore(dsn)
        self.runtime = Runtime(
            Domain("counting", aggregates=[Counter]),
            store=self.store,
            subscriptions=False,
            observers=[self],
        )
        self.dispatch, self.load = self.runtime.dispatch, self.runtime.load
        self.reads = self.conflicts = 0
        read = self.store.events.read_stream

        async def counted(stream: str, **options: Any) -> Sequence[RecordedEvent]:
            self.reads += 1
            return await read(stream, **options)

        self.store.events.read_stream = counted  # type: ignore[method-assign]

    def command(self, command: str, stream: str) -> CommandObservation:
        return self

    def finish(self, outcome: str, *, events: int, retries: int) -> None:
        self.conflicts += retries

    @property
    def version(self) -> int:
        instance = self.runtime.engine.dispatcher.aggregates.cached("counter-a")
        return instance.version if instance else 0


@pytest.fixture
async def processes(dsn: str) -> AsyncGenerator[tuple[Process, Process]]:
    here, there = Process(dsn), Process(dsn)
    async with here.runtime, there.runtime:
        yield here, there


async def test_the_answer_of_a_conflict_brings_along_what_was_missing(
    processes: tuple[Process, Process],
) -> None:
    here, there = processes
    await there.dispatch(ADD)

    async def met_one_without_reading() -> bool:
        reads, conflicts = there.reads, there.conflicts
        await here.dispatch(ADD)
        await there.dispatch(ADD)
        return there.conflicts > conflicts and there.reads == reads

    await until(met_one_without_reading)


async def test_an_idle_process_is_kept_fresh(processes: tuple[Process, Process]) -> None:
    here, there = processes
    await there.dispatch(ADD)
    for _ in range(10):
        await here.dispatch(ADD)
    await until(lambda: there.version == 11)
    reads, conflicts = there.reads, there.conflicts
    assert (await there.dispatch(ADD)).version == 12
    assert (there.reads, there.conflicts) == (reads, conflicts)


@pytest.mark.parametrize("command", [ADD, NOTE], ids=["small", "large"])
async def test_what_comes_along_is_applied_once_and_in_order(
    processes: tuple[Process, Process], command: Add | Note
) -> None:
    async def insist(process: Process, command: Add | Note) -> None:
        """The other process may win as often as a command is tried: then nothing is stored."""

        async def is_stored() -> bool:
            with suppress(TooManyConflicts):
                await process.dispatch(command)
                return True
            return False

        await until(is_stored)

    async def work(process: Process) -> None:
        for _ in range(15):
            await insist(process, command)
            await insist(process, Add(counter="b", amount=1))

    await asyncio.gather(*(work(process) for process in processes * 3))
    total = 90 if command is ADD else 0
    for process in processes:
        await until(lambda process=process: process.version == 90)
        loaded = await process.load(Counter, "a")
        assert loaded.state == Counter(total=total, notes=90 - total)
        assert (await process.load(Counter, "b")).state == Counter(total=90)


async def test_more_than_an_answer_brings_along_is_read(
    processes: tuple[Process, Process],
) -> None:
    here, there = processes
    await there.dispatch(ADD)
    events = [NewEvent(uuid4(), "Added", b'{"amount": 1}') for _ in range(300)]
    await here.store.append("counter-a", events)
    assert (await there.dispatch(ADD)).version == 302
    assert (await there.load(Counter, "a")).state == Counter(total=302)


async def test_what_an_answer_brings_along_is_bounded_with_its_metadata(
    dsn: str, processes: tuple[Process, Process]
) -> None:
    here, _ = processes
    noise = json.dumps({"noise": urandom(15_000).hex()}).encode()
    events = [NewEvent(uuid4(), "t", b"{}", metadata=noise) for _ in range(9)]
    await here.store.append("a", events)
    connection = await asyncpg.connect(dsn)
    found = await connection.fetchval("select count(*) from chekov.stored_since_v1(0, 9)")
    await connection.close()
    assert 1 <= found <= 64 * 1024 // 15_000
