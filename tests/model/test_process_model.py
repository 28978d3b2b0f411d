"""A process manager on several nodes that crash, are fenced, and whose store loses answers.

Whatever happens, each transfer withdraws once, deposits once, and ends once; one that is refused
leaves every balance as it was.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from chekov import CommandEnvelope, Domain
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
    Request,
    Transfer,
    TransferRequest,
    movements,
)

KEY = SubscriptionKey("counting", "subject")
UNDOABLE = 2
"""A request whose deposit is refused, after the money was withdrawn."""


class Subject(Transfer, name="subject"):
    pass


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
    ) -> None:
        await asyncio.sleep(0)
        async with self._faults.around("commit"):
            await super().commit(claim, position, changes, parked=parked, unpark=unpark)
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
        self.domain = Domain(
            "counting", aggregates=[Account, TransferRequest], handlers=[Subject()]
        )
        self.wishes: dict[str, int] = {}

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
            timeout=60,
            max_in_flight=1000,
        )

    async def _execute(self, command: Any) -> None:
        await self.dispatcher().execute(CommandEnvelope.of(command))

    async def _finish(self) -> None:
        for node in self.nodes.values():
            await node.crash()
        self.nodes.clear()
        self.store.lose([])
        self.let_the_lease_run_out()
        last = self.nodes[0] = self.node("last")
        last.start()
        await last.ask()
        last.hear()
        async with asyncio.timeout(20):
            while not await self._is_idle(last):  # noqa: ASYNC110 steps of the loop, not time
                await asyncio.sleep(0)
        await last.drain()
        self.nodes.clear()

    async def _is_idle(self, node: Node) -> bool:
        head = await self.store.head()
        return (
            node.subscription.passed(head)
            # Both at one moment: a refusal that is handled may lead to the next command.
            and not await MemoryProcesses.pending(self.processes, KEY)
            and not await MemoryProcesses.inputs(self.processes, KEY)
            and head == await self.store.head()
        )

    def everything_is_done(self) -> None:
        assert self.parked() == set()
        found = self.run(movements(self.store))
        assert found == {name: EXPECTED[kind] for name, kind in self.wishes.items()}
        assert self.run(self.store.processes.list("counting")) == []
        assert self.run(self.store.processes.next_due(KEY)) is None


EXPECTED = {WANTED: DONE, FAILING: REFUSED, UNDOABLE: UNDONE}

TestProcess = ProcessMachine.TestCase
TestProcess.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
