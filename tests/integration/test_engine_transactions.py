"""The transaction of a projection: deferred writes, and its end when the handler returns."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import asyncpg
import pytest

from chekov import Connection, Domain, Projection, Runtime, Transaction, handle, query
from chekov.domain.failure import Retry
from chekov.domain.handler import TransactionEnded
from chekov.store.postgres import connection_options, pool
from tests.unit.engine.counter_domain import Add, Added, Counter
from tests.waiting import until

QUICK = Retry(attempts=2, first=0.001)
UPSERT = (
    "insert into sums values ($1, $2) on conflict (counter) do update set total = sums.total + $2"
)
TOTAL = "select sum(total)::bigint from sums"


class Sums(Projection, name="sums"):
    tables = """
        create table sums (counter text primary key, total bigint not null check (total < 1000));
        create table seen (position bigint primary key, total bigint);
    """

    def __init__(self, then: Callable[[Added, Transaction], Awaitable[None]] | None = None) -> None:
        self.then = then

    @handle
    async def added(self, event: Added, transaction: Transaction) -> None:
        transaction.write(UPSERT, transaction.stream, event.amount)
        transaction.write("insert into seen values ($1, null)", transaction.position)
        if self.then is not None:
            await self.then(event, transaction)

    @query
    async def total(self, connection: Connection) -> int:
        return cast("int", await connection.fetchval(TOTAL))

    @query
    async def seen(self, connection: Connection) -> list[int]:
        rows = await connection.fetch("select position from seen order by position")
        return [row["position"] for row in rows]


class IndependentSums(Sums, name="sums", independent_writes=True):
    pass


def summing(handler: Sums) -> Domain:
    return Domain("counting", aggregates=[Counter], handlers=[handler])


async def filled(dsn: str, *amounts: int) -> None:
    """Each on a stream of its own, so that none is parked behind another."""
    async with Runtime(Domain("counting", aggregates=[Counter]), store=dsn) as runtime:
        for number, amount in enumerate(amounts):
            await runtime.dispatch(Add(counter=str(number), amount=amount))


async def parked(runtime: Runtime) -> list[tuple[int, str]]:
    found = await runtime.store.subscriptions.parked("counting", "sums")
    return [(item.position, item.error) for item in found]


@pytest.mark.parametrize("handler", [Sums, IndependentSums])
async def test_deferred_writes_commit_with_the_checkpoint(dsn: str, handler: type[Sums]) -> None:
    await filled(dsn, 1, 2, 3)
    async with Runtime(summing(handler()), store=dsn) as runtime:
        await runtime.wait(3, timeout=240)
        assert await runtime.query("sums", "total", {}) == 6
        assert await runtime.query("sums", "seen", {}) == [1, 2, 3]


async def test_a_handler_reads_what_it_has_written(dsn: str) -> None:
    totals: list[int] = []

    async def read(event: Added, transaction: Transaction) -> None:
        totals.append(await transaction.connection.fetchval(TOTAL))
        done = await transaction.execute("update seen set total = $1", totals[-1])
        assert done == f"UPDATE {len(totals)}"

    await filled(dsn, 1, 2, 3)
    async with Runtime(summing(Sums(read)), store=dsn) as runtime:
        await runtime.wait(3, timeout=240)
    assert totals == [1, 3, 6]


async def test_the_event_whose_deferred_write_fails_is_found_and_parked(dsn: str) -> None:
    await filled(dsn, 1, 2, 5000, 3)
    async with Runtime(summing(Sums()), store=dsn, retry=QUICK) as runtime:
        await runtime.wait(4, timeout=240)
        [(position, error)] = await parked(runtime)
        assert position == 3
        assert "CheckViolationError" in error
        assert await runtime.query("sums", "total", {}) == 6
        assert await runtime.query("sums", "seen", {}) == [1, 2, 4]


async def test_a_transaction_used_after_its_handler_returned_is_refused(dsn: str) -> None:
    refused: list[object] = []
    tasks: set[asyncio.Task[None]] = set()
    last = asyncio.Event()

    async def use_later(transaction: Transaction) -> None:
        await last.wait()
        for use in (
            transaction.execute("delete from sums"),
            transaction.connection.execute("delete from sums"),
        ):
            refused.extend(await asyncio.gather(use, return_exceptions=True))

    async def leave_behind(event: Added, transaction: Transaction) -> None:
        if event.amount == 1:
            tasks.add(asyncio.create_task(use_later(transaction)))
        if event.amount == 3:
            last.set()
            await asyncio.wait(tasks)

    await filled(dsn, 1, 2, 3)
    async with Runtime(summing(Sums(leave_behind)), store=dsn) as runtime:
        await runtime.wait(3, timeout=240)
        assert [type(error) for error in refused] == [TransactionEnded, TransactionEnded]
        assert await runtime.query("sums", "total", {}) == 6
        assert await parked(runtime) == []


async def test_a_statement_that_outlives_its_handler_fails_it_and_nothing_else(dsn: str) -> None:
    left: list[asyncio.Task[str]] = []

    async def leave_running(event: Added, transaction: Transaction) -> None:
        if event.amount == 2:
            waiting = transaction.execute("select pg_sleep(3600)")
            left.append(asyncio.create_task(waiting))
            async with asyncio.timeout(240):
                await until(lambda: sleeping(dsn))

    await filled(dsn, 1, 2, 3)
    async with Runtime(summing(Sums(leave_running)), store=dsn, retry=QUICK) as runtime:
        await runtime.wait(3, timeout=240)
        [(position, error)] = await parked(runtime)
        assert position == 2
        assert "a statement of its transaction was running" in error
        assert await runtime.query("sums", "total", {}) == 4
        assert left
        done, _ = await asyncio.wait(left, timeout=240)
        assert done == set(left)
        assert {type(task.exception()) for task in left} == {TransactionEnded}


async def test_a_handler_that_outlives_its_transaction_has_failed(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []
    for module in (connection_options, pool):
        monkeypatch.setattr(module, "LENT_SECONDS", 0.2)

    async def take_long(event: Added, transaction: Transaction) -> None:
        if event.amount == 2:
            attempts.append(transaction.attempt)
            await until(lambda: idle_was_ended(dsn))

    await filled(dsn, 1, 2, 3)
    async with Runtime(summing(Sums(take_long)), store=dsn, retry=QUICK) as runtime:
        await runtime.wait(3, timeout=240)
        [(position, error)] = await parked(runtime)
        assert position == 2
        assert "the handler did not use its transaction" in error
        assert attempts[-2:] == [1, 2]
        assert await runtime.query("sums", "total", {}) == 4


async def sleeping(dsn: str) -> bool:
    return await ask(
        dsn, "select exists (select from pg_stat_activity where wait_event = 'PgSleep')"
    )


async def idle_was_ended(dsn: str) -> bool:
    return not await ask(
        dsn,
        "select exists (select from pg_stat_activity where datname = current_database() "
        "and application_name = 'chekov handlers' and state like 'idle in transaction%')",
    )


async def ask(dsn: str, question: str) -> bool:
    connection = await asyncpg.connect(dsn)
    try:
        return cast("bool", await connection.fetchval(question))
    finally:
        await connection.close()
