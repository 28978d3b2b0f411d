"""Tables that are altered while projections and queries use them: no event is to blame."""

import asyncpg
import pytest

from chekov import Connection, Projection, Runtime, Transaction, handle, query
from chekov.domain.failure import Retry
from tests.integration.engine_domain import counting
from tests.integration.restoring import run
from tests.unit.engine import counter_domain
from tests.unit.engine.counter_domain import Add, Added


class Rows(Projection, name="rows"):
    """Reads all columns, whichever there are."""

    tables = "create table rows (amount integer not null)"

    @handle
    async def added(self, event: Added, transaction: Transaction) -> None:
        await transaction.connection.execute("insert into rows values ($1)", event.amount)
        await transaction.connection.fetch("select * from rows where amount > $1", 0)

    @query
    async def amounts(self, connection: Connection) -> list[int]:
        rows = await connection.fetch("select * from rows where amount > $1 order by 1", 0)
        return [row["amount"] for row in rows]


async def add(runtime: Runtime, amount: int) -> None:
    await runtime.dispatch(
        Add(counter="a", amount=amount), consistency="strong", consistency_timeout=240
    )


async def alter(dsn: str, change: str) -> None:
    connection = await asyncpg.connect(dsn)
    schema = await connection.fetchval("select schemaname from pg_tables where tablename = 'rows'")
    await connection.close()
    await run(dsn, change.replace("rows", f'"{schema}".rows', 1))


@pytest.mark.parametrize(
    "change",
    [
        "alter table rows add column more text",
        "alter table rows alter column amount type bigint",
        "create index on rows (amount)",
    ],
)
async def test_a_projection_whose_table_is_altered_goes_on(dsn: str, change: str) -> None:
    once = Retry(attempts=1)
    async with Runtime(counting(Rows()), store=dsn, retry=once, lease=0.5) as runtime:
        for amount in (1, 2):
            await add(runtime, amount)
        assert await runtime.query("rows", "amounts", {}) == [1, 2]
        await alter(dsn, change)
        await add(runtime, 3)
        assert counter_domain.status(runtime, "rows").parked == 0
        assert await runtime.query("rows", "amounts", {}) == [1, 2, 3]


@pytest.mark.parametrize(
    "change",
    [
        "alter table chekov.events add column more text",
        "alter table chekov.subscriptions add column more text",
        "create index on chekov.events (time)",
    ],
)
async def test_a_store_whose_tables_are_altered_goes_on(dsn: str, change: str) -> None:
    async with Runtime(counting(Rows()), store=dsn, lease=0.5) as runtime:
        for amount in (1, 2):
            await add(runtime, amount)
        await run(dsn, change)
        for amount in (3, 4):
            await add(runtime, amount)
        assert len(await runtime.store.read_page()) == 4
        assert counter_domain.status(runtime, "rows").parked == 0
