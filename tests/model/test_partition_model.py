"""Processes come, go and crash, and divide a handler anew, also by other keys: each event once."""

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
    partition,
)
from chekov.domain.handler_definition import HandlerSettings
from chekov.engine.subscriptions.partitions import partition_of
from chekov.store.port import Layout
from tests.model.state_machines import StoreMachine, check
from tests.unit.engine.counter_domain import Add, Added, Counter
from tests.waiting import until

MOST = 3
STREAMS = tuple("abcdef")
PAIRS = {f"counter-{name}": pair for pair in ("ab", "cd", "ef") for name in pair}
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


class NotedByPairs(Noted, name="noted"):
    """Another release of it: two streams have one key."""

    @partition
    def pair(self, event: Added, context: Context) -> str:
        return PAIRS[context.stream]


class Process(NamedTuple):
    """A process, and what its code asks for: how many partitions, and by pairs or by streams."""

    runtime: Runtime
    partitions: int
    by_pairs: bool

    @property
    def keyed_by(self) -> str:
        kind = NotedByPairs if self.by_pairs else Noted
        return kind.__chekov__.keyed_by


def place(stream: str, layout: Layout) -> int:
    """The partition of a stream's events."""
    key = stream if layout.keyed_by == "stream" else PAIRS[stream]
    return partition_of(key, layout.partitions)


def owned(processes: Sequence[Process]) -> Sequence[int]:
    """How many partitions each runs."""
    return [
        sum(status.owned for status in item.runtime.subscriptions.values()) for item in processes
    ]


class PartitionMachine(StoreMachine):
    """Starts, ends and kills processes of two releases, adds to counters, and lets streams fail."""

    def __init__(self) -> None:
        super().__init__()
        self.notes = Notes()
        self.added: dict[str, list[int]] = {}
        self.processes: list[Process] = []
        self.number = 0
        self.repeated: set[str] = set()
        self.join(partitions=5, by_pairs=False)

    @rule(partitions=st.integers(1, 6), by_pairs=st.booleans())
    def join(self, partitions: int, *, by_pairs: bool) -> None:
        if len(self.processes) < MOST:
            handler = (NotedByPairs if by_pairs else Noted)(self.notes)
            runtime = Runtime(
                Domain("counting", aggregates=[Counter], handlers=[handler]),
                store=self.store,
                lease=LEASE,
                retry=AT_ONCE,
                handlers={"noted": HandlerSettings(partitions=partitions)},
            )
            self.processes.append(Process(self.run(runtime.__aenter__()), partitions, by_pairs))
            self.run(self.noticed())

    @precondition(lambda self: len(self.processes) > 1)
    @rule(which=st.integers(0, MOST - 1))
    def leave(self, which: int) -> None:
        former = self.run(self.layout())
        item = self.processes.pop(which % len(self.processes))
        self.run(item.runtime.__aexit__(None, None, None))
        self.end_of(former)

    @precondition(lambda self: len(self.processes) > 1)
    @rule(which=st.integers(0, MOST - 1))
    def crash(self, which: int) -> None:
        """Nothing is saved any more; its death is noticed at once."""
        item = self.processes.pop(which % len(self.processes))
        self.repeated.update(PAIRS)
        self.kill(item.runtime)

    def kill(self, runtime: Runtime) -> None:
        with suppress(asyncio.CancelledError):
            self.run(runtime.__aexit__(asyncio.CancelledError, asyncio.CancelledError(), None))

    @rule(partitions=st.integers(1, 6), by_pairs=st.booleans())
    def replace(self, partitions: int, *, by_pairs: bool) -> None:
        """All processes end, and another one asks for so many partitions."""
        former = self.run(self.layout())
        for item in self.processes:
            self.run(item.runtime.__aexit__(None, None, None))
        self.processes.clear()
        self.join(partitions=partitions, by_pairs=by_pairs)
        self.end_of(former)
        self.run(self.shared())

    @rule(which=st.integers(0, MOST - 1), names=st.lists(st.sampled_from(STREAMS), max_size=8))
    def add(self, which: int, names: list[str]) -> None:
        runtime = self.processes[which % len(self.processes)].runtime
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

    @rule(name=st.sampled_from(STREAMS), partitions=st.integers(1, 6), by_pairs=st.booleans())
    def interrupt(self, name: str, partitions: int, *, by_pairs: bool) -> None:
        """All processes are killed while one partition is held up, and another one comes.

        Only in this partition may something be handled and not saved.
        """
        self.run(self.shared())
        self.notes.hanging = f"counter-{name}"
        self.add(0, [name, *STREAMS])
        self.run(self.passed())
        former = self.run(self.layout())
        held_up = self.held_up(former)
        self.repeated.update(item for item in PAIRS if place(item, former) == held_up)
        for item in self.processes:
            self.kill(item.runtime)
        self.processes.clear()
        self.notes.hanging = None
        self.join(partitions=partitions, by_pairs=by_pairs)
        self.end_of(former)
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

    async def layout(self) -> Layout:
        [layout] = await self.store.layouts.list("counting")
        return layout

    async def noticed(self) -> None:
        """Wait until the process that came is one of the nodes, which it stays until it leaves."""

        async def is_there() -> bool:
            nodes = await self.store.nodes.list("counting", lease=LEASE)
            return sum(not node.vanished for node in nodes) == len(self.processes)

        await until(is_there)

    def end_of(self, former: Layout) -> None:
        """Without a process with the former keys, what it handled may be repeated."""
        if all(item.keyed_by != former.keyed_by for item in self.processes):
            self.repeated.update(PAIRS)

    async def passed(self) -> None:
        head = await self.store.head()

        async def arrived() -> bool:
            layout = await self.layout()
            rows = await self.store.subscriptions.list("counting")
            held_up = self.held_up(layout)
            return all(row.position >= head or row.key.partition == held_up for row in rows)

        await until(arrived)

    def held_up(self, layout: Layout) -> int | None:
        hanging = self.notes.hanging
        return None if hanging is None else place(hanging, layout)

    async def emptied(self) -> None:
        """Retry until nothing is parked."""
        runtime = self.processes[0].runtime

        async def retried() -> bool:
            await runtime.retry("noted")
            return not await runtime.parked("noted")

        await until(retried)

    async def shared(self) -> None:
        """Wait until the newest process's keys count, and all that have them share fairly."""
        keyed_by = self.processes[-1].keyed_by
        able = [item for item in self.processes if item.keyed_by == keyed_by]
        wanted = {item.partitions for item in able}

        async def fair() -> bool:
            layout = await self.layout()
            shares = owned(able)
            agreed = len(wanted) > 1 or layout.partitions in wanted
            by_all = (layout.keyed_by, layout.until) == (keyed_by, None)
            sums = sum(shares) == sum(owned(self.processes)) == layout.partitions
            return agreed and by_all and sums and max(shares) - min(shares) <= 1

        await until(fair)

    def teardown(self) -> None:
        self.settle()
        for item in self.processes:
            self.run(item.runtime.__aexit__(None, None, None))
        super().teardown()


def test_partitions_in_memory_handle_each_event_once_and_in_order() -> None:
    check(PartitionMachine, MemoryStore, examples=20, steps=12)
