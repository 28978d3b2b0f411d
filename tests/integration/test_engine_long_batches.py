"""Batches of a projection that take longer than their claim, or than the database may take."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest

from chekov import Connection, Projection, Runtime, Transaction, handle, query
from chekov.engine.subscriptions import batch_limit, time_slice
from tests.integration.engine_domain import Totals, counting
from tests.unit.engine.counter_domain import Add, Added
from tests.waiting import until

LEASE = 0.6
EVENTS = 200


class Written(Projection, name="written"):
    """Defers a write for each event."""

    tables = "create table seen (position bigint not null)"
    seconds: ClassVar[float] = 0.0
    """How long each write takes."""

    @handle
    async def added(self, event: Added, transaction: Transaction) -> None:
        await self.then()
        insert = "insert into seen select $1::bigint from pg_sleep($2::float8)"
        transaction.write(insert, transaction.position, self.seconds)

    async def then(self) -> None:
        pass

    @query
    async def seen(self, connection: Connection) -> list[int]:
        rows = await connection.fetch("select position from seen order by position")
        return [row["position"] for row in rows]


class Slow(Written, name="slow"):
    seconds = 0.02


class Computing(Written, name="computing"):
    """Keeps its event loop busy once it may begin: for several leases with all events together."""

    def __init__(self) -> None:
        self.begun = threading.Event()  # shared by the loops of two threads

    async def then(self) -> None:
        while not self.begun.is_set():  # noqa: ASYNC110 it is set by the other loop
            await asyncio.sleep(0.01)
        end = time.monotonic() + 5 * LEASE / EVENTS
        while time.monotonic() < end:
            pass


async def stored(dsn: str, events: int) -> list[int]:
    async with Runtime(counting(), store=dsn) as runtime:
        for number in range(events):
            await runtime.dispatch(Add(counter=str(number % 10), amount=1))
    return list(range(1, events + 1))


@asynccontextmanager
async def beside(dsn: str, node: str, computing: Computing) -> AsyncGenerator[None]:
    """Another node, with an event loop of its own: it goes on while the first one computes."""
    ended, started = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def run() -> None:
        async with Runtime(counting(computing), store=dsn, node=node, lease=LEASE):
            loop.call_soon_threadsafe(started.set)
            while not ended.is_set():  # noqa: ASYNC110 the event is of another loop
                await asyncio.sleep(0.05)

    running = asyncio.create_task(asyncio.to_thread(asyncio.run, run()))
    try:
        await started.wait()
        yield
    finally:
        ended.set()
        await running


async def test_a_batch_that_computes_for_longer_than_its_claim_lasts_is_completed(dsn: str) -> None:
    positions = await stored(dsn, EVENTS)
    computing = Computing()
    async with (
        beside(dsn, "two", computing),
        Runtime(counting(computing), store=dsn, node="one", lease=LEASE) as runtime,
    ):
        head = len(positions)
        computing.begun.set()

        async def built() -> bool:
            rows = await runtime.store.subscriptions.list("counting")
            return [row.position for row in rows] == [head]

        await until(built, 60)
        assert await runtime.query("computing", "seen", {}) == positions


async def test_what_a_long_batch_has_handled_is_committed_before_it_ends(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_limit, "HANDLING_SECONDS", 0.0)
    monkeypatch.setattr(time_slice, "_MOST_SECONDS", 0.0)
    await stored(dsn, 5)
    hanging, go_on = asyncio.Event(), asyncio.Event()

    async def hang_at_four(event: Added, transaction: Transaction) -> None:
        del event
        if transaction.position == 4:
            hanging.set()
            await go_on.wait()

    async with Runtime(counting(Totals(hang_at_four)), store=dsn) as runtime:
        await hanging.wait()
        [row] = await runtime.store.subscriptions.list("counting")
        assert row.position == 3
        go_on.set()
        await runtime.wait(5)
        assert await runtime.query("totals", "seen", {}) == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("impatient")
async def test_deferred_writes_that_take_too_long_together_are_sent_in_smaller_batches(
    dsn: str,
) -> None:
    slow = Slow()
    positions = await stored(dsn, 200)
    async with Runtime(counting(slow), store=dsn, lease=LEASE) as runtime:
        await runtime.wait(len(positions), timeout=240)
        assert await runtime.query("slow", "seen", {}) == positions
