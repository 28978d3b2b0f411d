"""A slow handler costs lag, and no memory: what is held of the log does not grow with it."""

import asyncio
import gc
from collections.abc import Container
from contextlib import aclosing

from chekov import Context, EventHandler, Projection, Runtime, Transaction, handle
from chekov.store.port import NewEvent, RecordedEvent, Store
from chekov.store.postgres import PostgresStore
from chekov.uuid7 import uuid7
from tests.integration.engine_domain import counting
from tests.unit.engine.counter_domain import Added
from tests.waiting import until

EVENTS = 100_000
AT_ONCE = 1_000
STOPS = range(1, EVENTS, 25_000)
NEW_AT_A_STOP = 10_000
"""More than the tail holds."""

MOST_HELD = 62_000
"""Events as they are stored: 8,192 in the tail, 48,000 in the pages that the fast one has read and
the slow ones have not (32 MiB, of 700 bytes each), and the pages that they are in or read ahead."""

MOST_DECODED = 1_000
"""Events of the domain: those of a page, at most."""


class Gate:
    """Holds its handler at some positions until it is let on.

    Attributes:
        at: the position at which it is held, 0 while it is not.
        handled: how many events it was given.
    """

    def __init__(self, stops: Container[int] = STOPS) -> None:
        self.at = 0
        self.handled = 0
        self._stops = stops
        self._open = asyncio.Event()

    async def pass_through(self, position: int) -> None:
        self.handled += 1
        if position in self._stops:
            self.at = position
            await self._open.wait()
            self._open.clear()
            self.at = 0

    def let_on(self) -> None:
        self._open.set()


class Slow(EventHandler, name="slow"):
    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    @handle
    async def added(self, event: Added, context: Context) -> None:
        del event
        await self.gate.pass_through(context.position)


class Fast(Slow, name="fast"):
    """Is at the head of the log while the others are far below it."""


class SlowTotals(Projection, name="slow-totals"):
    tables = "create table sums (stream text primary key, total bigint not null);"

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    @handle
    async def added(self, event: Added, transaction: Transaction) -> None:
        transaction.write(
            "insert into sums values ($1, $2)"
            " on conflict (stream) do update set total = sums.total + excluded.total",
            transaction.stream,
            event.amount,
        )
        await self.gate.pass_through(transaction.position)


def live(kind: type[object]) -> int:
    """How many objects of a type there are."""
    gc.collect()
    return sum(type(item) is kind for item in gc.get_objects())


async def fill(store: Store, count: int) -> None:
    for _ in range(0, count, AT_ONCE):
        events = [NewEvent(uuid7(), "Added", b'{"amount":1}') for _ in range(AT_ONCE)]
        await store.append("counter-a", events)


async def follow(runtime: Runtime, gate: Gate) -> None:
    async with aclosing(runtime.subscribe(Added)) as subscription:
        async for _, context in subscription:
            await gate.pass_through(context.position)


async def test_what_is_held_of_the_log_does_not_grow_with_it(dsn: str) -> None:
    fast = Gate(stops=())
    slow = Gate(), Gate(), Gate()
    async with PostgresStore(dsn, migrate=True) as store:
        await fill(store, EVENTS)
    domain = counting(Slow(slow[0]), SlowTotals(slow[1]), Fast(fast))
    stored = EVENTS
    async with Runtime(domain, store=dsn) as runtime:
        following = asyncio.create_task(follow(runtime, slow[2]))
        for stop in STOPS:
            await until(lambda stop=stop: {gate.at for gate in slow} == {stop}, seconds=120)
            await fill(runtime.store, NEW_AT_A_STOP)
            stored += NEW_AT_A_STOP
            await until(lambda stored=stored: fast.handled == stored, seconds=120)
            assert 0 < live(RecordedEvent) < MOST_HELD
            assert 0 < live(Added) < MOST_DECODED
            for gate in slow:
                gate.let_on()
        await until(lambda: {gate.handled for gate in slow} == {stored}, seconds=120)
        following.cancel()
