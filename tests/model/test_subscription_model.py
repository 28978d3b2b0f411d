"""A subscription on several nodes that crash, are fenced, and whose store loses answers.

What a projection has written is compared with what was appended: each event once and in order,
or set aside. What a handler was given must cover every event up to the checkpoint.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chekov import (
    CommandEnvelope,
    Connection,
    Context,
    Domain,
    EventHandler,
    MemoryStore,
    Projection,
    Transaction,
    definition_of,
    handle,
)
from chekov.domain.failure import Retry
from chekov.engine.observer import Observer
from chekov.engine.processes.scheduled_commands import ScheduledCommands
from chekov.engine.subscriptions.invocation import Subject
from chekov.engine.subscriptions.kinds import kind_of
from chekov.engine.subscriptions.page_cache import PageCache
from chekov.engine.subscriptions.sender import Execute
from chekov.engine.subscriptions.subscription import Subscription
from chekov.errors import StoreUnavailable
from chekov.serialization.codec import Codec
from chekov.store.memory.subscriptions import MemorySubscriptions
from chekov.store.port import (
    CheckpointMove,
    Claim,
    Layout,
    NewEvent,
    ParkingEntry,
    ReadModels,
    SubscriptionKey,
)
from chekov.uuid7 import uuid7
from chekov.watermark import Watermark
from tests.integration.engine_domain import counting
from tests.unit.engine.counter_domain import Added
from tests.waiting import until

T = TypeVar("T")
LEASE = 10.0
FAILING, WANTED, FOREIGN = -1, 1, 0
NODES = st.integers(0, 2)
FAULTS = st.sampled_from(("before", "after"))
STEPS = st.sampled_from((0, 1, 4, 8, 12, 16, 25, 40, 80, 200))


class Writes:
    """Stands for a connection inside a transaction: it takes notes."""

    def __init__(self) -> None:
        self.positions: list[int] = []

    async def execute(self, query: str, position: int, timeout: float | None = None) -> str:
        del query, timeout
        self.positions.append(position)
        return ""

    async def executemany(
        self, command: str, args: Iterable[tuple[int]], *, timeout: float | None = None
    ) -> None:
        del command, timeout
        self.positions += [position for (position,) in args]


class Faults:
    """The faults to come, the last one first: an answer is lost before or after its effect."""

    def __init__(self) -> None:
        self.coming: list[str] = []

    @asynccontextmanager
    async def around(self, effect: str) -> AsyncGenerator[None]:
        fault = self.coming.pop() if self.coming else ""
        if fault == "before":
            raise StoreUnavailable(f"lost before the {effect}")
        yield
        if fault == "after":
            raise StoreUnavailable(f"lost after the {effect}", stored=None)


class FaultySubscriptions(MemorySubscriptions):
    """Loses answers of saves."""

    def __init__(
        self, clock: Callable[[], datetime], end: Callable[[], int], freed: Watermark
    ) -> None:
        super().__init__(clock, end, freed)
        self.faults = Faults()

    async def save(
        self, claim: Claim, position: int, *, parked: Sequence[ParkingEntry] = ()
    ) -> bool:
        async with self.faults.around("save"):
            return await super().save(claim, position, parked=parked)

    async def unpark(self, claim: Claim, position: int) -> None:
        async with self.faults.around("save"):
            await super().unpark(claim, position)

    async def commit(self, claim: Claim, move: CheckpointMove) -> None:
        if move.unpark:
            await super().unpark(claim, move.position)
        else:
            await super().save(claim, move.position, parked=move.parked)


class Reliable(MemorySubscriptions):
    """The same rows, without the faults."""

    def __init__(self, subscriptions: FaultySubscriptions) -> None:
        self.save = partial(MemorySubscriptions.save, subscriptions)
        self.unpark = partial(MemorySubscriptions.unpark, subscriptions)
        self.parked = partial(MemorySubscriptions.parked, subscriptions)
        self.parked_changed = partial(MemorySubscriptions.parked_changed, subscriptions)


class FaultyReadModels:
    """Has transactions, which take notes of what is written, and loses answers of commits."""

    def __init__(self, subscriptions: FaultySubscriptions) -> None:
        self.subscriptions = subscriptions
        self.written: list[int] = []
        self.longest_idle = 60.0

    @asynccontextmanager
    async def transaction(
        self,
        claim: Claim,
        move: CheckpointMove,
        *,
        search_path: str | None = None,
    ) -> AsyncGenerator[Connection]:
        del search_path
        writes = Writes()
        yield cast("Connection", writes)
        await asyncio.sleep(0)
        async with self.subscriptions.faults.around("commit"):
            await self.subscriptions.commit(claim, move)
            self.written += writes.positions

    def rejects_value(self, error: BaseException) -> bool:
        return isinstance(error, OverflowError)

    def schema_for(self, key: SubscriptionKey) -> str:
        return key.name


class FaultyStore(MemoryStore):
    """Has transactions, and loses the answers that its faults name."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        super().__init__(clock=lambda: self.now)
        subscriptions = FaultySubscriptions(
            lambda: self.now, lambda: self.log.history.head, self.changes.subscriptions
        )
        self.faulty = FaultyReadModels(subscriptions)
        self.subscriptions = subscriptions
        self.read_models = cast("ReadModels", self.faulty)
        self.faults = subscriptions.faults
        self.reliable = Reliable(subscriptions)

    @property
    def written(self) -> list[int]:
        return self.faulty.written

    def lose(self, answers: Sequence[str]) -> None:
        """Lose the answers to come, the last one first: `before` or `after` their effects."""
        self.faults.coming = list(answers)


async def breathe() -> None:
    """Long enough for a node to be stopped in the middle of its events."""
    for _ in range(3):
        await asyncio.sleep(0)


class Writer(Projection, name="subject"):
    tables = "-- in memory"

    @handle
    async def added(self, event: Added, transaction: Transaction) -> None:
        await breathe()
        if event.amount == FAILING:
            raise ValueError("poison")
        transaction.write("note", transaction.position)


class Reader(EventHandler, name="subject"):
    def __init__(self, given: list[int]) -> None:
        self.given = given

    @handle
    async def added(self, event: Added, context: Context) -> None:
        await breathe()
        if event.amount == FAILING:
            raise ValueError("poison")
        self.given.append(context.position)


async def _sends_nothing(envelope: CommandEnvelope[Any]) -> None:
    raise AssertionError(f"these handlers send no commands, not {envelope.command}")


class Node:
    """One process: a subscription, and the claim it was last answered."""

    def __init__(
        self,
        store: FaultyStore,
        handler: EventHandler,
        name: str,
        domain: Domain | None = None,
        execute: Execute = _sends_nothing,
    ) -> None:
        self.name = name
        self.store = store
        self.key = SubscriptionKey("counting", "subject")
        domain = domain or counting(handler)
        codec = Codec(domain)
        retry = Retry(attempts=2, first=0.0, longest=0.0)
        scheduling = ScheduledCommands(domain, store.schedules, codec, execute, max_recurring=1)
        layout, definition = Layout(self.key, 1), definition_of(handler)
        invocation = kind_of(handler)(
            Subject(
                self.key, handler, definition, layout, store, codec, domain, execute, scheduling
            )
        )
        self.subscription = Subscription(invocation, store, Observer(), retry)
        self.tasks: list[asyncio.Task[None]] = []
        self.answer: tuple[float, Sequence[Claim]] | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        pages = PageCache(self.store, self.store.tail.drops, loop.create_task)
        self.tasks = [loop.create_task(self.subscription.run(pages))]

    async def ask(self) -> None:
        asked_at = asyncio.get_running_loop().time()
        self.answer = (
            asked_at,
            await self.store.subscriptions.claim(self.name, [self.key], lease=LEASE),
        )

    def hear(self) -> None:
        if self.answer is None:
            return
        asked_at, claims = self.answer
        for claim in claims:
            self.subscription.take(claim, asked_at=asked_at, lease=LEASE * 1000)
        if not claims:
            self.subscription.lose()
        self.answer = None

    async def drain(self) -> None:
        self.subscription.stop()
        await asyncio.wait(self.tasks, timeout=10)
        await self.crash()
        await self.store.subscriptions.release(self.name, [self.key])

    async def crash(self) -> None:
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with suppress(asyncio.CancelledError):
                await task


class SubscriptionMachine(RuleBasedStateMachine):
    """Any order of appends, claims, answers, crashes, drains and faults."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = FaultyStore()
        self.nodes: dict[int, Node] = {}
        self.wanted: list[int] = []
        self.poison: set[int] = set()
        self.checkpoint = 0
        self.born = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def handler(self) -> EventHandler:
        raise AssertionError("a machine has a handler")

    def node(self, name: str) -> Node:
        return Node(self.store, self.handler(), name)

    @initialize()
    def open(self) -> None:
        self.run(self.store.__aenter__())
        self.run(self.store.subscriptions.register([SubscriptionKey("counting", "subject")]))

    @rule(kinds=st.lists(st.sampled_from((FAILING, WANTED, WANTED, WANTED, FOREIGN)), max_size=8))
    def append(self, kinds: list[int]) -> None:
        for kind in kinds:
            self.run(self._append(kind))

    async def _append(self, kind: int) -> None:
        name = "Added" if kind else "Noted"
        # A stream of its own: what is parked blocks nothing here.
        stream = f"counter-{uuid7()}" if kind == FAILING else "counter-a"
        data = b'{"amount": %d}' % kind if kind else b'{"text": ""}'
        done = await self.store.append(stream, [NewEvent(uuid7(), name, data)])
        if kind == WANTED:
            self.wanted.append(done.position)
        elif kind == FAILING:
            self.poison.add(done.position)

    @rule(number=NODES, before=st.integers(0, 6), after=STEPS)
    def renew(self, number: int, before: int, after: int) -> None:
        """A node, started if need be, asks for the claim and hears the answer."""
        self.run(self._renew(number, before, after))

    async def _renew(self, number: int, before: int, after: int) -> None:
        node = self.nodes.get(number)
        if node is None:
            self.born += 1
            node = self.nodes[number] = self.node(f"node-{self.born}")
            node.start()
        await node.ask()
        await self._steps(before)
        node.hear()
        await self._steps(after)

    @precondition(lambda self: self.nodes)
    @rule(number=NODES)
    def ask(self, number: int) -> None:
        if number in self.nodes:
            self.run(self.nodes[number].ask())

    @precondition(lambda self: self.nodes)
    @rule(number=NODES, steps=st.integers(0, 6))
    def hear(self, number: int, steps: int) -> None:
        if number in self.nodes:
            self.run(self._hear(self.nodes[number], steps))

    async def _hear(self, node: Node, steps: int) -> None:
        node.hear()
        await self._steps(steps)

    @rule(number=NODES, fault=FAULTS, before=STEPS, after=STEPS)
    def lose_an_answer_while_renewing(
        self, number: int, fault: str, before: int, after: int
    ) -> None:
        """The claim that is being renewed may be older than the commit whose answer is lost."""
        self.store.lose([fault])
        self.append([WANTED, WANTED, WANTED])
        self.run(self._renew(number, before, after))

    @rule(steps=STEPS)
    def go_on(self, steps: int) -> None:
        self.run(self._steps(steps))

    async def _steps(self, steps: int) -> None:
        for _ in range(steps):
            await asyncio.sleep(0)

    @rule(number=NODES, steps=st.integers(1, 25), drain=st.booleans())
    def end_at_work(self, number: int, steps: int, *, drain: bool) -> None:
        """A node goes in the middle of its events, and the next one begins."""
        self.append([WANTED] * 5)
        self.run(self._renew(number, 0, steps))
        if drain:
            self.drain(number)
        else:
            self.crash(number)
            self.let_the_lease_run_out()
        self.run(self._renew(number, 0, 200))

    @precondition(lambda self: self.nodes)
    @rule(number=NODES)
    def crash(self, number: int) -> None:
        if number in self.nodes:
            self.run(self.nodes.pop(number).crash())

    @precondition(lambda self: self.nodes)
    @rule(number=NODES)
    def drain(self, number: int) -> None:
        if number in self.nodes:
            self.run(self.nodes.pop(number).drain())

    @precondition(lambda self: self.nodes)
    @rule()
    def let_the_lease_run_out(self) -> None:
        self.store.now += timedelta(seconds=LEASE + 1)

    @rule(faults=st.lists(FAULTS, min_size=1, max_size=3))
    def lose_answers(self, faults: list[str]) -> None:
        self.store.lose(faults)

    @invariant()
    def the_checkpoint_never_goes_back(self) -> None:
        position = self.position()
        assert position >= self.checkpoint
        self.checkpoint = position

    def position(self) -> int:
        rows = self.run(self.store.subscriptions.list("counting"))
        return rows[0].position if rows else 0

    def parked(self) -> set[int]:
        return {
            event.position
            for event in self.run(self.store.subscriptions.parked("counting", "subject"))
        }

    def teardown(self) -> None:
        try:
            self.run(self._finish())
            self.everything_is_done()
        finally:
            for node in self.nodes.values():
                self.run(node.crash())
            self.runner.close()

    async def _finish(self) -> None:
        """One healthy process comes, when all others have gone, and does the rest."""
        for node in self.nodes.values():
            await node.crash()
        self.nodes.clear()
        self.store.lose([])
        self.store.now += timedelta(seconds=LEASE + 1)
        last = self.nodes[0] = self.node("last")
        last.start()
        await last.ask()
        last.hear()
        head = await self.store.head()
        async with asyncio.timeout(240):
            assert await last.subscription.reached(head)
        await last.drain()
        self.nodes.clear()

    def everything_is_done(self) -> None:
        assert self.parked() == self.poison
        assert self.position() == self.run(self.store.head())


class ProjectionMachine(SubscriptionMachine):
    def handler(self) -> EventHandler:
        return Writer()

    @invariant()
    def each_event_is_written_once_and_in_order(self) -> None:
        position, written = self.run(self._look())
        assert written == [item for item in self.wanted if item <= position]

    async def _look(self) -> tuple[int, list[int]]:
        """Both at one moment: a coroutine of its own would let the nodes go on in between."""
        (row,) = await self.store.subscriptions.list("counting")
        return row.position, list(self.store.written)

    def everything_is_done(self) -> None:
        super().everything_is_done()
        assert self.store.written == self.wanted


class HandlerMachine(SubscriptionMachine):
    def __init__(self) -> None:
        super().__init__()
        self.given: list[int] = []

    def handler(self) -> EventHandler:
        return Reader(self.given)

    @invariant()
    def nothing_up_to_the_checkpoint_is_left_out(self) -> None:
        position = self.position()  # what is handled later than this does no harm
        assert {item for item in self.wanted if item <= position} <= set(self.given)
        assert {item for item in self.poison if item <= position} <= self.parked()

    def everything_is_done(self) -> None:
        super().everything_is_done()
        assert set(self.given) == set(self.wanted)
        first_times = list(dict.fromkeys(self.given))
        assert first_times == self.wanted


_settings = settings(max_examples=100, stateful_step_count=30)
TestProjection = ProjectionMachine.TestCase
TestProjection.settings = _settings
TestHandler = HandlerMachine.TestCase
TestHandler.settings = _settings


async def test_a_claim_that_was_asked_for_before_a_commit_was_lost_does_not_count() -> None:
    async with FaultyStore() as store:
        await store.subscriptions.register([SubscriptionKey("counting", "subject")])
        node = Node(store, Writer(), "node")
        node.start()
        await node.ask()
        node.hear()
        await breathe()
        await node.ask()
        store.lose(["after"])
        await store.append("counter-a", [NewEvent(uuid7(), "Added", b'{"amount": 1}')])
        await until(lambda: node.subscription.status.error)
        assert store.written == [1]
        node.hear()
        for _ in range(20):
            await breathe()
        assert store.written == [1]
        await node.ask()
        node.hear()
        assert await node.subscription.reached(1)
        await node.drain()
        assert store.written == [1]
