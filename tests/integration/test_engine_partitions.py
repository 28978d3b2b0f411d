"""Processes of different releases divide a handler anew: nothing is lost, doubled or disordered."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import asyncpg
import pytest

from chekov import Domain, Runtime
from tests.integration.partition_process import Written, end, partitioned
from tests.unit.engine.counter_domain import Add, Counter
from tests.waiting import until

STREAMS = 12


class Calls:
    """Adds to counters in turn, and reads what the handlers wrote."""

    def __init__(self, dsn: str, runtime: Runtime, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self.dsn = dsn
        self.runtime = runtime
        self.pool = pool
        self.adding = asyncio.Event()
        self.added: dict[str, list[int]] = {}

    async def add(self) -> None:
        """Add until `adding` is cleared."""
        number = 0
        while self.adding.is_set():
            number += 1
            name = str(number % STREAMS)
            await self.runtime.dispatch(Add(counter=name, amount=number))
            self.added.setdefault(f"counter-{name}", []).append(number)

    async def layout(self) -> int:
        [layout] = await self.runtime.store.layouts.list("counting")
        return layout.partitions

    async def divided(self, partitions: int) -> None:
        """Wait until there are so many partitions, and each has an owner and has moved."""

        async def is_so() -> bool:
            rows = await self.runtime.store.subscriptions.list("counting")
            owned = [row for row in rows if row.owner is not None and row.epoch > 1]
            return await self.layout() == partitions == len(rows) == len(owned)

        await until(is_so, 60)

    async def settled(self) -> Mapping[str, list[int]]:
        """All amounts by stream, in the order of the calls, once everything is handled."""
        await self.runtime.wait(await self.runtime.store.head(), timeout=240)
        rows = await self.pool.fetch("select stream, amount from calls order by id")
        found: dict[str, list[int]] = {}
        for stream, amount in rows:
            found.setdefault(stream, []).append(amount)
        return found


@pytest.fixture
async def calls(dsn: str) -> AsyncGenerator[Calls]:
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
        await pool.execute(
            "create table calls (id bigserial primary key, node text, stream text, amount int)"
        )
        handler = Written(pool, "none")
        domain = Domain("counting", aggregates=[Counter], handlers=[handler])
        async with Runtime(domain, store=dsn, subscriptions=False) as runtime:
            yield Calls(dsn, runtime, pool)


@asynccontextmanager
async def adding(calls: Calls) -> AsyncGenerator[None]:
    calls.adding.set()
    async with asyncio.TaskGroup() as group:
        group.create_task(calls.add())
        try:
            yield
        finally:
            calls.adding.clear()


async def test_a_rollout_divides_a_handler_anew_under_load(dsn: str, calls: Calls) -> None:
    async with adding(calls), partitioned(dsn, "old", 4) as old:
        await until(lambda: len(calls.added) == STREAMS)
        async with partitioned(dsn, "one", 7) as one:
            assert await calls.layout() == 4
            async with partitioned(dsn, "two", 7) as two:
                await end(old)
                await calls.divided(7)
                async with partitioned(dsn, "back", 3) as back:
                    await end(one)
                    assert await calls.layout() == 7
                    await end(two)
                    await calls.divided(3)
                    calls.adding.clear()
                    assert await calls.settled() == calls.added
                    await end(back)
    nodes = await calls.pool.fetch("select distinct node from calls")
    assert {node for (node,) in nodes} == {"old", "one", "two", "back"}


async def test_what_a_killed_process_had_not_saved_is_repeated_and_nothing_is_lost(
    dsn: str, calls: Calls
) -> None:
    async with adding(calls), partitioned(dsn, "old", 4) as old:
        await until(lambda: len(calls.added) == STREAMS)
        async with partitioned(dsn, "new", 6):
            await old.kill()
            await calls.divided(6)
            calls.adding.clear()
            found = await calls.settled()
    for stream, amounts in calls.added.items():
        assert sorted(set(found[stream])) == amounts
        # A call is repeated from the checkpoint on, so the first ones are in order all the same.
        assert list(dict.fromkeys(found[stream])) == amounts
