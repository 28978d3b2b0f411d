"""A process manager on several nodes that crash, are fenced, and whose store loses answers.

Whatever happens, each transfer withdraws once, deposits once, and ends once; one that is refused
leaves every balance as it was. While refusals cannot be handled, they are set aside, and what comes
later for their instances waits for them.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from unittest.mock import AsyncMock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from chekov import (
    Command,
    CommandEnvelope,
    Domain,
    Event,
    Identifier,
    Rejected,
    apply,
    execute,
    proceed,
    rejected,
)
from chekov.engine.commands.cache_limits import CacheLimits
from chekov.engine.commands.dispatcher import Dispatcher
from chekov.engine.commands.snapshots import Snapshotter
from chekov.engine.observer import Observer
from chekov.serialization.codec import Codec
from chekov.serialization.snapshots import SnapshotCodec
from chekov.store.memory.processes import MemoryProcesses
from chekov.store.port import (
    Claim,
    ParkingEntry,
    ProcessChanges,
    ProcessInput,
    ProcessState,
    QueuedCommand,
    SubscriptionKey,
)
from tests.model.test_subscription_model import (
    FAILING,
    FOREIGN,
    STEPS,
    WANTED,
    FaultyStore,
    Node,
    SubscriptionMachine,
)
from tests.unit.engine.processes.transfers import (
    DONE,
    REFUSED,
    UNDONE,
    Account,
    Deposit,
    End,
    Request,
    Transfer,
    TransferRequest,
    Withdraw,
    movements,
)

KEY = SubscriptionKey("counting", "subject")
UNDOABLE = 2
"""A request whose deposit is refused, after the money was withdrawn."""


TROUBLE: set[str] = set()
"""While there is any, no refusal can be handled."""


class Nudged(Event):
    transfer: str


class Nudge(Command[Nudged]):
    transfer: Identifier[str]


class NudgedRequest(TransferRequest, identity="transfer"):
    @execute
    def nudge(self, command: Nudge) -> Iterable[Nudged]:
        yield Nudged(transfer=command.transfer)

    @apply
    def was_nudged(self, event: Nudged) -> None:
        pass


class Subject(Transfer, name="subject"):
    nudged: bool = False

    @proceed(by="transfer")
    def was_nudged(self, event: Nudged) -> None:
        self.nudged = True

    @rejected
    def refused(self, command: Withdraw | Deposit, reason: Rejected) -> Iterable[Command[Any]]:
        if TROUBLE:
            raise ValueError("it cannot be handled now")
        if self.nudged:
            return [End(transfer=command.transfer or "", outcome="refused after what came later")]
        return super().refused(command, reason)


class FaultyProcesses(MemoryProcesses):
    """Loses answers of commits and of settling, as the store's faults say.

    Every call waits before and after it is done, so that a node may crash at either point.
    """

    def __init__(self, store: FaultyStore) -> None:
        super().__init__(lambda: store.now, lambda: store.reliable, store.log)
        self._faults = store.faults

    async def load(
        self, key: SubscriptionKey, instances: Collection[str]
    ) -> Mapping[str, ProcessState]:
        await asyncio.sleep(0)
        found = await super().load(key, instances)
        await asyncio.sleep(0)
        return found

    async def pending(
        self, key: SubscriptionKey, *, after: int = 0, limit: int = 500
    ) -> Sequence[QueuedCommand]:
        await asyncio.sleep(0)
        found = await super().pending(key, after=after, limit=limit)
        await asyncio.sleep(0)
        return found

    async def inputs(self, key: SubscriptionKey, *, limit: int = 500) -> Sequence[ProcessInput]:
        await asyncio.sleep(0)
        found = await super().inputs(key, limit=limit)
        await asyncio.sleep(0)
        return found

    async def commit(
        self,
        claim: Claim,
        position: int,
        changes: ProcessChanges,
        *,
        parked: Sequence[ParkingEntry] = (),
        unpark: int | None = None,
    ) -> Sequence[int]:
        await asyncio.sleep(0)
        async with self._faults.around("commit"):
            numbers = await super().commit(claim, position, changes, parked=parked, unpark=unpark)
        await asyncio.sleep(0)
        return numbers

    async def next_due(self, key: SubscriptionKey) -> float | None:
        await asyncio.sleep(0)
        found = await super().next_due(key)
        await asyncio.sleep(0)
        return found

    async def withheld(self, key: SubscriptionKey) -> Collection[str]:
        await asyncio.sleep(0)
        found = await super().withheld(key)
        await asyncio.sleep(0)
        return found

    async def set_aside(
        self, claim: Claim, item: ProcessInput, *, error: str, discarded: str | None = None
    ) -> None:
        await asyncio.sleep(0)
        async with self._faults.around("setting aside"):
            await super().set_aside(claim, item, error=error, discarded=discarded)
        await asyncio.sleep(0)

    async def settle(
        self, claim: Claim, sent: Collection[int], refused: Mapping[int, bytes]
    ) -> None:
        await asyncio.sleep(0)
        async with self._faults.around("settling"):
            await super().settle(claim, sent, refused)
        await asyncio.sleep(0)


class ProcessMachine(SubscriptionMachine):
    def __init__(self) -> None:
        super().__init__()
        self.processes = self.store.processes = FaultyProcesses(self.store)
        self.domain = Domain("counting", aggregates=[Account, NudgedRequest], handlers=[Subject()])
        self.wishes: dict[str, int] = {}
        TROUBLE.clear()

    @initialize()
    def fund(self) -> None:
        self.run(self.store.__aenter__())
        self.run(self.store.subscriptions.register([KEY]))
        self.run(self._execute(Deposit(account="a", amount=1_000_000)))

    @rule(kinds=st.lists(st.sampled_from((FAILING, WANTED, WANTED, FOREIGN, UNDOABLE)), max_size=6))
    def append(self, kinds: list[int]) -> None:
        """Request transfers: with money, without, to a closed account; or move money otherwise."""
        for kind in kinds:
            self.run(self._request(kind))

    @rule()
    def begin_trouble(self) -> None:
        TROUBLE.add("trouble")

    @precondition(lambda _: bool(TROUBLE))
    @rule(steps=STEPS)
    def end_trouble(self, steps: int) -> None:
        """Some of what was set aside is handled again, and the first of it may fail again."""
        self.run(self.processes.release("counting", "subject"))
        self.run(self._steps(steps))
        TROUBLE.clear()

    @precondition(lambda _: bool(TROUBLE))
    @rule(steps=STEPS)
    def nudge(self, steps: int) -> None:
        """Something comes later for the instances that wait for somebody."""
        for transfer in self.run(MemoryProcesses.withheld(self.processes, KEY)):
            self.run(self._execute(Nudge(transfer=transfer)))
        self.run(self._steps(steps))

    async def _request(self, kind: int) -> None:
        if kind == FOREIGN:
            await self._execute(Deposit(account="a", amount=1))
            return
        name = f"t{len(self.wishes)}"
        self.wishes[name] = kind
        source = "poor" if kind == FAILING else "a"
        target = "closed" if kind == UNDOABLE else f"b{len(self.wishes) % 2}"
        await self._execute(Request(transfer=name, source=source, target=target, amount=7))

    def node(self, name: str) -> Node:
        return Node(self.store, Subject(), name, self.domain, self.dispatcher().execute)

    def dispatcher(self) -> Dispatcher:
        """That of a process: it shares nothing with the others but the store."""
        return Dispatcher(
            self.domain,
            self.store,
            Codec(self.domain),
            Observer(),
            Snapshotter(self.store.snapshots, SnapshotCodec(self.domain), Observer()),
            timeout=240,
            max_in_flight=1000,
            cache=CacheLimits(),
            check=AsyncMock(),
            debug=False,
        )

    async def _execute(self, command: Any) -> None:
        await self.dispatcher().execute(CommandEnvelope.of(command))

    async def _finish(self) -> None:
        for node in self.nodes.values():
            await node.crash()
        self.nodes.clear()
        self.store.lose([])
        TROUBLE.clear()
        await self.processes.release("counting", "subject")
        self.let_the_lease_run_out()
        last = self.nodes[0] = self.node("last")
        last.start()
        await last.ask()
        last.hear()
        async with asyncio.timeout(240):
            while not await self._is_idle(last):  # noqa: ASYNC110 steps of the loop, not time
                await asyncio.sleep(0)
        await last.drain()
        self.nodes.clear()

    async def _is_idle(self, node: Node) -> bool:
        head = await self.store.head()
        return (
            node.subscription.passed(head)
            # Both at one moment, since nothing is awaited between the end of the first call and the
            # second one's: a refusal that is handled may lead to the next command.
            and not await MemoryProcesses.inputs(self.processes, KEY)
            and not await MemoryProcesses.pending(self.processes, KEY)
            and not await self.store.subscriptions.parked("counting", "subject")
            and head == await self.store.head()
        )

    def everything_is_done(self) -> None:
        assert self.parked() == set()
        found = {
            name: [move for move in moves if move != "Nudged"]
            for name, moves in self.run(movements(self.store)).items()
        }
        assert found == {name: EXPECTED[kind] for name, kind in self.wishes.items()}
        assert self.run(self.store.processes.list("counting")) == []
        assert self.run(self.store.processes.next_due(KEY)) is None


EXPECTED = {WANTED: DONE, FAILING: REFUSED, UNDOABLE: UNDONE}

TestProcess = ProcessMachine.TestCase
TestProcess.settings = settings(max_examples=100, stateful_step_count=30)
