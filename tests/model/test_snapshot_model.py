"""Snapshots, truncation, deletion and restarts in any order: the state is that of all events.

Two processes execute commands on one counter. Whatever was kept, spoilt or taken away meanwhile,
nobody may ever see another state than the one that all events make, also those that are gone.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from chekov import Domain, MemoryStore, Runtime
from chekov.errors import (
    ChekovError,
    HistoryTruncated,
    StreamDeleted,
    StreamNotFound,
    WrongExpectedVersion,
)
from chekov.store.port import Snapshot
from tests.model.state_machines import StoreMachine, check, in_postgres
from tests.unit.engine.counter_domain import Add, AddAtMost, TooMuch
from tests.unit.engine.snapshot_counter import KeptCounter

DOMAIN = Domain("counting", aggregates=[KeptCounter])
STREAM = "counter-a"
SPOILT = {"kind": "another"}, {"data": b"nonsense, all of it"}, {"data": b""}
PROCESSES = st.integers(0, 1)


async def cancelled_after(turns: int, work: Coroutine[Any, Any, object]) -> None:
    """Run `work` for so many turns of the loop."""
    task = asyncio.get_running_loop().create_task(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        assert isinstance(task.exception(), ChekovError | None)


class SnapshotMachine(StoreMachine):
    """Does to a counter what may be done to it, and remembers its amounts."""

    def __init__(self) -> None:
        super().__init__()
        self.amounts: list[int] = []
        self.first = 1
        self.deleted = False
        self.snapshot: Snapshot | None = None
        self.processes = [self.started(), self.started()]

    def started(self) -> Runtime:
        runtime = Runtime(DOMAIN, store=self.store, subscriptions=False)
        return self.run(runtime.__aenter__())

    def stop(self, runtime: Runtime) -> None:
        self.run(runtime.__aexit__(None, None, None))

    def teardown(self) -> None:
        for runtime in self.processes:
            self.stop(runtime)
        super().teardown()

    @rule(process=PROCESSES, amounts=st.lists(st.integers(1, 9), min_size=1, max_size=5))
    def add(self, process: int, amounts: list[int]) -> None:
        for amount in amounts:
            if not self.dispatch(process, Add(counter="a", amount=amount)):
                return
            self.amounts.append(amount)

    @rule(process=PROCESSES, spare=st.integers(-2, 2))
    def add_at_most(self, process: int, spare: int) -> None:
        limit = sum(self.amounts) + spare
        try:
            if self.dispatch(process, AddAtMost(counter="a", amount=1, limit=limit)):
                assert spare > 0
                self.amounts.append(1)
        except TooMuch:
            assert spare <= 0

    def dispatch(self, process: int, command: Add | AddAtMost) -> bool:
        """Whether it was stored; if not, there is a reason."""
        possible = self.can_be_made()
        try:
            done = self.run(self.processes[process].dispatch(command))
        except StreamDeleted:
            assert self.deleted
        except HistoryTruncated:
            assert not possible
        else:
            assert (done.version, self.deleted) == (len(self.amounts) + 1, False)
            return True
        return False

    @rule(process=PROCESSES)
    def restart(self, process: int) -> None:
        self.stop(self.processes[process])
        self.processes[process] = self.started()

    @precondition(lambda self: self.amounts and not self.deleted)
    @rule(data=st.data(), erase=st.booleans())
    def truncate(self, data: st.DataObject, *, erase: bool) -> None:
        before = data.draw(st.integers(1, len(self.amounts)))
        self.run(self.store.streams.truncate(STREAM, before=before, erase=erase))
        self.first = max(self.first, before)

    @rule()
    def forget(self) -> None:
        self.run(self.store.snapshots.forget(STREAM))

    @rule(change=st.sampled_from(SPOILT))
    def spoil(self, change: dict[str, object]) -> None:
        if self.snapshot is not None:
            spoilt = self.snapshot._replace(**change)  # type: ignore[arg-type]
            self.run(self.store.snapshots.forget(STREAM))
            self.run(self.store.snapshots.save(spoilt))

    @precondition(lambda self: self.amounts)
    @rule(process=PROCESSES, erase=st.booleans())
    def delete(self, process: int, *, erase: bool) -> None:
        if self.deleted and not erase:
            return
        self.run(self.processes[process].delete(KeptCounter, "a", erase=erase))
        self.deleted = not erase
        if erase:
            self.amounts, self.first = [], 1
            # Who still holds the former instance cannot tell it from one that is as long.
            self.restart(1 - process)

    @rule(process=PROCESSES)
    def load(self, process: int) -> None:
        self.loaded(self.processes[process], None)

    @rule(process=PROCESSES, turns=st.integers(0, 5))
    def interrupt(self, process: int, turns: int) -> None:
        """Cancel a `load` somewhere on its way."""
        self.run(cancelled_after(turns, self.processes[process].load(KeptCounter, "a")))

    @rule(process=PROCESSES, at=st.integers(1, 20))
    def load_as_it_was(self, process: int, at: int) -> None:
        self.loaded(self.processes[process], at)

    @rule()
    def rebuild(self) -> None:
        runtime = self.started()
        self.loaded(runtime, None)
        self.stop(runtime)

    def loaded(self, runtime: Runtime, at: int | None) -> None:
        possible = self.can_be_made(at)
        version = len(self.amounts) if at is None else at
        try:
            loaded = self.run(runtime.load(KeptCounter, "a", at=at))
        except StreamDeleted:
            assert self.deleted
        except StreamNotFound:
            assert not self.amounts
        except WrongExpectedVersion:
            assert version > len(self.amounts)
        except HistoryTruncated:
            assert not possible
        else:
            assert loaded.version == version
            assert loaded.state.amounts == self.amounts[:version]
            assert loaded.state.total == sum(self.amounts[:version])

    def can_be_made(self, at: int | None = None) -> bool:
        """Whether a process that knows nothing must be able to make the state."""
        found = self.snapshot
        if self.first == 1:
            return True
        if found is None or found.kind == "another" or b'"total"' not in found.data:
            return False
        upper = len(self.amounts) if at is None else at
        if found.version == self.first - 1:
            # Without an event behind it, nothing proves that it fits.
            return found.version < upper
        return self.first <= found.version <= upper

    @invariant()
    def notice(self) -> None:
        self.snapshot = self.run(self.store.snapshots.load(STREAM))
        assert self.snapshot is None or self.snapshot.version <= len(self.amounts)


def test_in_memory_the_state_is_that_of_all_events() -> None:
    check(SnapshotMachine, MemoryStore, examples=150, steps=30)


def test_in_postgres_the_state_is_that_of_all_events(server: str) -> None:
    check(SnapshotMachine, in_postgres(server), examples=10, steps=30)
