"""Scheduled and recurring commands on Postgres: each run once, whoever is there, however many."""

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from chekov import Domain, Runtime
from chekov.engine.processes.recurring_commands import run_id
from chekov.store.postgres.statements import statements
from tests.unit.engine.processes.transfers import Account, Deposit
from tests.waiting import until

ID = UUID(int=7)
DOMAIN = Domain("bank", aggregates=[Account])
WAITING = 100_000
MOST_PAGES = 20
"""Of 8 kB, to find what is due next; the tables have a hundred times as many."""

FILL = f"""
insert into chekov.scheduled_commands (domain, id, command, data, due)
select 'bank', gen_random_uuid(), 'Deposit', '{{}}', now() + make_interval(hours => n)
from generate_series(1, {WAITING}) as n;
insert into chekov.recurring_commands (domain, id, command, data, due, cron, timezone, missed)
select 'bank', gen_random_uuid(), 'Deposit', '{{}}', now() + make_interval(hours => n),
    '0 0 1 * *', 'UTC', 'once'
from generate_series(1, {WAITING}) as n
"""


async def test_missed_runs_are_executed_once_each_by_several_processes(dsn: str) -> None:
    async with Runtime(DOMAIN, store=dsn, subscriptions=False) as runtime:
        for number in range(5):
            await runtime.schedule(
                Deposit(account=f"a{number}", amount=1),
                cron="0 * * * *",
                missed="all",
                id=UUID(int=number),
            )
        items = await runtime.store.schedules.list_recurring("bank")
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "update chekov.recurring_commands set due = due - interval '120 hours'"
        )
    finally:
        await connection.close()
    async with AsyncExitStack() as stack:
        runtimes = [Runtime(DOMAIN, store=dsn, node=f"node-{number}") for number in range(3)]
        for runtime in runtimes:
            await stack.enter_async_context(runtime)
        store = runtimes[0].store

        async def all_executed() -> bool:
            waiting = await runtimes[0].scheduled.list()
            return all(item.cron for item in waiting) and await store.head() >= 5 * 120

        await until(all_executed, 60)
        for item in items:
            events = await store.read_stream(f"account-a{item.id.int}", limit=1000)
            due = [item.due - timedelta(hours=hours) for hours in range(120, 0, -1)]
            ids = [event.causation_id for event in events]
            assert len(ids) == len(set(ids))
            assert set(ids) >= {run_id(item.id, time) for time in due}


async def test_what_waits_costs_nothing(dsn: str) -> None:
    async with Runtime(DOMAIN, store=dsn, subscriptions=False):
        pass
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(FILL)
        await connection.execute("analyze")
        sql = (
            statements("schedules", "chekov")["next_due"]
            .replace("$1", "'bank'")
            .replace("$2", "1000")
        )
        plan = await connection.fetch(f"explain (analyze, buffers, format json) {sql}")
        text = str(plan[0][0])
        assert "Seq Scan" not in text
        found = await connection.fetchval(f"select ({sql}) between 0 and 3600")
        assert found
        root = json.loads(plan[0][0])[0]["Plan"]
        assert root["Shared Hit Blocks"] + root["Shared Read Blocks"] <= MOST_PAGES
    finally:
        await connection.close()


async def test_a_command_is_scheduled_in_one_process_and_executed_in_another(dsn: str) -> None:
    async with (
        Runtime(DOMAIN, store=dsn, node="one", subscriptions=False) as one,
        Runtime(DOMAIN, store=dsn, node="two") as two,
    ):
        ids = await asyncio.gather(
            *(
                one.schedule(Deposit(account="a", amount=1), after=timedelta(0), id=ID)
                for _ in range(10)
            )
        )
        assert set(ids) == {ID}

        async def is_executed() -> bool:
            return await two.store.head() == 1

        await until(is_executed)
        [event] = await two.store.read_stream("account-a")
        assert event.causation_id == ID


async def test_the_ends_of_time_are_kept_as_times_to_count_from(dsn: str) -> None:
    async with Runtime(DOMAIN, store=dsn, subscriptions=False) as runtime:
        for time in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
            await runtime.schedule(Deposit(account="a", amount=1), at=time)
        first, last = await runtime.scheduled.list()
        assert first.due < datetime.now(UTC) < last.due
        connection = await asyncpg.connect(dsn)
        try:
            infinite = await connection.fetchval(
                "select count(*) from chekov.scheduled_commands where not isfinite(due)"
            )
        finally:
            await connection.close()
        assert infinite == 0
