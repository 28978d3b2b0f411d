"""Processes come, go and crash, and divide a handler anew: each event once, in its order."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from chekov import (
    Context,
    Domain,
    EventHandler,
    MemoryStore,
    Retry,
    Runtime,
    handle,
)
from chekov.domain.handler_definition import HandlerSettings
from chekov.engine.subscriptions.partitions import partition_of
from tests.model.state_machines import StoreMachine, check
from tests.unit.engine.counter_domain import Add, Added, Counter
from tests.waiting import until

MOST = 3
STREAMS = tuple("abcdef")
LEASE = 3600.0
AT_ONCE = Retry(attempts=1, first=0.0, longest=0.0)


class Notes:
    """What all processes handled, by stream, the streams whose events fail, and one that hangs."""

    def __init__(self) -> None:
        self.amounts: dict[str, list[int]] = {}
        self.failing: set[str] = set()
        self.hanging: str | None = None


class Noted(EventHandler, name="noted"):
    """Notes events. One that hangs holds its partition up until the process is killed."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes

    @handle
    async def added(self, event: Added, context: Context) -> None:
        await asyncio.sleep(0)  # for others to come in between, if they can
        if context.stream == self.notes.hanging:
            await asyncio.Event().wait()
        if context.stream in self.notes.failing:
            raise ValueError(context.stream)
        self.notes.amounts.setdefault(context.stream, []).append(event.amount)


class Process(NamedTuple):
    """A process, and the partitions that its code asks for."""

    runtime: Runtime
    partitions: int


class PartitionMachine(StoreMachine):
    """Starts, ends and kills processes, adds to counters, lets streams fail, and retries."""

    def __init__(self) -> None:
        super().__init__()
        self.notes = Notes()
        self.added: dict[str, list[int]] = {}
        self.processes: list[Process] = []
        self.number = 0
        self.repeated: set[str] = set()
        self.join(partitions=5)

    @rule(partitions=st.integers(1, 6))
    def join(self, partitions: int) -> None:
        if len(self.processes) < MOST:
            handler = Noted(self.notes)
            runtime = Runtime(
                Domain("counting", aggregates=[Counter], handlers=[handler]),
                store=self.store,
                lease=LEASE,
                retry=AT_ONCE,
                handlers={"noted": HandlerSettings(partitions=partitions)},
            )
            self.processes.append(Process(self.run(runtime.__aenter__()), partitions))

    @precondition(lambda self: len(self.processes) > 1)
    @rule(which=st.integers(0, MOST - 1))
    def leave(self, which: int) -> None:
        runtime, _ = self.processes.pop(which % len(self.processes))
        self.run(runtime.__aexit__(None, None, None))

    @precondition(lambda self: len(self.processes) > 1)
    @rule(which=st.integers(0, MOST - 1))
    def crash(self, which: int) -> None:
        """Nothing is saved any more; its death is noticed at once."""
        runtime, _ = self.processes.pop(which % len(self.processes))
        self.repeated.update(f"counter-{name}" for name in STREAMS)
        self.kill(runtime)

    def kill(self, runtime: Runtime) -> None:
        with suppress(asyncio.CancelledError):
            self.run(runtime.__aexit__(asyncio.CancelledError, asyncio.CancelledError(), None))

    @rule(partitions=st.integers(1, 6))
    def replace(self, partitions: int) -> None:
        """All processes end, and another one asks for so many partitions."""
        for item in self.processes:
            self.run(item.runtime.__aexit__(None, None, None))
        self.processes.clear()
        self.join(partitions=partitions)
        self.run(self.shared())

    @rule(which=st.integers(0, MOST - 1), names=st.lists(st.sampled_from(STREAMS), max_size=8))
    def add(self, which: int, names: list[str]) -> None:
        runtime, _ = self.processes[which % len(self.processes)]
        for name in names:
            self.number += 1
            self.run(runtime.dispatch(Add(counter=name, amount=self.number)))
            self.added.setdefault(f"counter-{name}", []).append(self.number)

    @rule(name=st.sampled_from(STREAMS))
    def fail(self, name: str) -> None:
        """An event of each stream, one of which is parked."""
        self.notes.failing.add(f"counter-{name}")
        self.add(0, [name, *STREAMS])
        self.run(self.passed())

    @rule(name=st.sampled_from(STREAMS), partitions=st.integers(1, 6))
    def interrupt(self, name: str, partitions: int) -> None:
        """All processes are killed while one partition is held up, and another one comes.

        Only in this partition may something be handled and not saved.
        """
        self.notes.hanging = f"counter-{name}"
        self.add(0, [name, *STREAMS])
        self.run(self.passed())
        [layout] = self.run(self.store.layouts.list("counting"))
        held_up = self.held_up(layout.partitions)
        streams = [f"counter-{other}" for other in STREAMS]
        self.repeated.update(
            item for item in streams if partition_of(item, layout.partitions) == held_up
        )
        for item in self.processes:
            self.kill(item.runtime)
        self.processes.clear()
        self.notes.hanging = None
        self.join(partitions=partitions)
        self.run(self.shared())

    @rule()
    def pass_all(self) -> None:
        """Everything is handled or parked, and saved."""
        self.run(self.passed())

    @rule()
    def settle(self) -> None:
        """What was added is handled, in order, and the shares differ by one at most."""
        self.notes.failing.clear()
        self.run(self.passed())
        self.run(self.emptied())
        for stream, amounts in self.added.items():
            noted = self.notes.amounts.get(stream, [])
            assert list(dict.fromkeys(noted)) == amounts
            assert stream in self.repeated or noted == amounts
        self.run(self.shared())

    async def passed(self) -> None:
        head = await self.store.head()

        async def arrived() -> bool:
            rows = await self.store.subscriptions.list("counting")
            held_up = self.held_up(len(rows))
            return all(row.position >= head or row.key.partition == held_up for row in rows)

        await until(arrived)

    def held_up(self, partitions: int) -> int | None:
        hanging = self.notes.hanging
        return None if hanging is None else partition_of(hanging, partitions)

    async def emptied(self) -> None:
        """Retry until nothing is parked."""
        runtime, _ = self.processes[0]

        async def retried() -> bool:
            await runtime.retry("noted")
            return not await runtime.parked("noted")

        await until(retried)

    async def shared(self) -> None:
        wanted = {item.partitions for item in self.processes}

        async def fair() -> bool:
            [layout] = await self.store.layouts.list("counting")
            shares = self.shares()
            agreed = len(wanted) > 1 or layout.partitions in wanted
            return agreed and max(shares) - min(shares) <= 1 and sum(shares) == layout.partitions

        await until(fair)

    def shares(self) -> Sequence[int]:
        return [
            sum(status.owned for status in item.runtime.subscriptions.values())
            for item in self.processes
        ]

    def teardown(self) -> None:
        self.settle()
        for item in self.processes:
            self.run(item.runtime.__aexit__(None, None, None))
        super().teardown()


def test_partitions_in_memory_handle_each_event_once_and_in_order() -> None:
    check(PartitionMachine, MemoryStore, examples=20, steps=12)
