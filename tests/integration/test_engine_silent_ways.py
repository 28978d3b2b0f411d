"""One way to the database is silent, all others work: what used it is given up in time.

The work goes on, here or in another process, and the probes say what is the matter.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from chekov import CommandTimeout, Context, Domain, EventHandler, Runtime, StoreUnavailable, handle
from chekov.store.postgres import PostgresStore
from tests.integration.engine_domain import Totals
from tests.integration.wire import Direction, Wire
from tests.unit.engine.counter_domain import Add, Added, Counter, status
from tests.waiting import until

LEASE = 1.0
BOUND = 30
"""Seconds that nothing may take: far more than it needs, far less than for ever."""

pytestmark = pytest.mark.usefixtures("impatient")


class Warnings(EventHandler, name="warnings"):
    @handle
    async def added(self, event: Added, context: Context) -> None:
        pass


class Ways:
    """Two processes; each way of the first one can go silent."""

    def __init__(self, wire: Wire, one: Runtime, two: Runtime) -> None:
        self.wire, self.one, self.two = wire, one, two

    def is_told(self, words: str) -> bool:
        """Whether the first process says this of its troubles."""
        return any(words in trouble for trouble in self.one.engine.troubles)

    async def add(self, runtime: Runtime) -> int:
        async with asyncio.timeout(BOUND):
            return (await runtime.dispatch(Add(counter="a", amount=1), timeout=BOUND)).position

    async def all_handled(self) -> None:
        """Wait until every event is handled, whoever does it."""
        head = await self.two.store.head()

        async def saved() -> bool:
            rows = await self.two.store.subscriptions.list("counting")
            return all(row.position == head for row in rows)

        await until(saved, 60)

    async def all_owned(self) -> None:
        def shares() -> list[int]:
            found = [runtime.subscriptions.values() for runtime in (self.one, self.two)]
            return [sum(item.owned for item in items) for items in found]

        await until(lambda: shares() == [1, 1], 60)


def runtime_at(dsn: str, node: str) -> Runtime:
    store = PostgresStore(dsn, migrate=False, patience=0.5, statement_timeout=1)
    domain = Domain("counting", aggregates=[Counter], handlers=[Totals(), Warnings()])
    return Runtime(domain, store=store, node=node, command_timeout=2, lease=LEASE)


@pytest.fixture(params=["questions", "answers"])
async def ways(dsn: str, request: pytest.FixtureRequest) -> AsyncGenerator[Ways]:
    async with running(dsn) as found:
        silent: Direction = request.param
        found.wire.swallowing = silent
        found.wire.only = "none yet"
        yield found


@asynccontextmanager
async def running(dsn: str) -> AsyncGenerator[Ways]:
    wire = Wire(dsn)
    async with AsyncExitStack() as stack:
        through = await stack.enter_async_context(wire.running())
        one = await stack.enter_async_context(runtime_at(through, "one"))
        await until(lambda: all(item.owned for item in one.subscriptions.values()))
        # It keeps the first of the two, by name.
        two = await stack.enter_async_context(runtime_at(dsn, "two"))
        found = Ways(wire, one, two)
        await found.all_owned()
        await found.add(one)
        await found.all_handled()
        assert await one.query("totals", "seen", {}) == [1]
        yield found
        # Whatever was silent, in the end all is as it was.
        wire.swallowing = None
        await until(lambda: not one.engine.troubles, 60)
        await found.all_owned()
        await found.add(one)
        await found.all_handled()
        head = await two.store.head()
        for runtime in (one, two):
            assert await runtime.query("totals", "seen", {}) == list(range(1, head + 1))
            assert all(item.parked == 0 for item in runtime.subscriptions.values())
            assert runtime.healthy


async def test_a_silent_listener_hears_of_events_another_way(ways: Ways) -> None:
    ways.wire.only = "chekov listener chekov"
    await until(lambda: ways.is_told("notifications"))
    position = await ways.add(ways.two)
    await until(lambda: ways.one.store.tail.head.value == position)
    await ways.add(ways.one)
    await ways.all_handled()


async def test_a_node_without_a_heartbeat_keeps_its_work(ways: Ways) -> None:
    ways.wire.only = "chekov node chekov"
    await until(lambda: ways.is_told("session"))
    for runtime in (ways.one, ways.two):
        await ways.add(runtime)
    await ways.all_handled()
    await ways.all_owned()

    async def both_live() -> bool:
        nodes = await ways.two.store.nodes.list("counting", lease=LEASE)
        return [(node.fresh, node.vanished) for node in nodes] == [(True, False)] * 2

    await until(both_live)


async def test_handlers_whose_transactions_are_silent_go_on_elsewhere(ways: Ways) -> None:
    assert status(ways.one, "totals").owned
    ways.wire.only = "chekov handlers"
    await ways.add(ways.one)
    await until(lambda: ways.is_told("totals is") or ways.is_told("left to other processes"))
    await ways.all_handled()
    with pytest.raises(StoreUnavailable):
        async with asyncio.timeout(BOUND):
            await ways.one.query("totals", "seen", {})
    assert await ways.two.query("totals", "seen", {}) == [1, 2]
    # Commands need none of these connections.
    await ways.add(ways.one)
    await ways.all_handled()


async def test_a_silent_committer_fails_commands_in_time_and_the_probe(ways: Ways) -> None:
    ways.wire.only = "chekov committer"
    for _ in range(2):
        with pytest.raises((CommandTimeout, StoreUnavailable)):
            async with asyncio.timeout(BOUND):
                await ways.one.dispatch(Add(counter="a", amount=1))
    await until(lambda: ways.is_told("appends"))
    with pytest.raises(StoreUnavailable, match="appends"):
        await ways.one.store.ping()
    await ways.two.store.ping()
    await ways.add(ways.two)
    await ways.all_handled()
    assert await ways.one.query("totals", "seen", {}) == list(
        range(1, await ways.two.store.head() + 1)
    )
    ways.wire.swallowing = None
    # Also when nobody sends a command, for it gets none while it is not ready.
    await until(lambda: not ways.is_told("appends"))
    await ways.one.store.ping()


async def test_claims_that_are_not_renewed_are_taken_over(ways: Ways) -> None:
    ways.wire.only = "chekov"
    await until(lambda: ways.is_told("claims of subscriptions"))
    with pytest.raises(StoreUnavailable):
        async with asyncio.timeout(BOUND):
            await ways.one.store.ping()
    await ways.add(ways.two)
    await ways.all_handled()
    assert all(item.owned for item in ways.two.subscriptions.values())
