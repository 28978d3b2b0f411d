"""Several stores over one pool, each in a schema of its own."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import uuid4

import asyncpg
import pytest

from chekov.errors import StoreClosed
from chekov.store.port import NewEvent
from chekov.store.postgres import PostgresPool, PostgresStore
from chekov.store.postgres.pool import most_connections
from tests.waiting import until

SIZE = 4
SCHEMAS = ("tenant_a", "tenant_b", "tenant_c")


@pytest.fixture
async def pool(empty_dsn: str) -> AsyncGenerator[PostgresPool]:
    async with PostgresPool(empty_dsn, size=SIZE) as pool:
        yield pool


def event() -> NewEvent:
    return NewEvent(uuid4(), "t", b"{}")


async def connections(dsn: str) -> dict[str, int]:
    """Application name → number of its connections."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "select application_name, count(*)::int from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid() group by 1"
        )
        return dict(map(tuple, rows))
    finally:
        await connection.close()


async def use(store: PostgresStore, number: int) -> None:
    await store.append(f"s-{number}", [event()])
    await store.read_stream(f"s-{number}")
    async with store.read_models.read_connection() as connection:
        await connection.fetchval("select pg_sleep(0.001)")


async def test_stores_share_the_connections_that_read_and_handle(
    empty_dsn: str, pool: PostgresPool
) -> None:
    """However much all of them do at once: half for their own statements, a quarter for queries."""
    async with (
        PostgresStore(pool, schema="tenant_a") as a,
        PostgresStore(pool, schema="tenant_b") as b,
        PostgresStore(pool, schema="tenant_c") as c,
    ):
        await asyncio.gather(*(use(store, n) for store in (a, b, c) for n in range(30)))
        assert [await store.head() for store in (a, b, c)] == [30, 30, 30]
        found = await connections(empty_dsn)
        assert found["chekov"] == SIZE // 2
        assert found["chekov handlers"] == SIZE // 4
        assert 3 <= found["chekov committer"] <= 2 * 3
        await until(lambda: _listening(empty_dsn, len(SCHEMAS)))


def test_the_smallest_pools_have_three_connections() -> None:
    assert [most_connections(size) for size in (1, 2, 3, 10)] == [8, 8, 8, 15]


@pytest.mark.parametrize("size", [1, 3, 10])
async def test_a_process_takes_no_more_connections_than_is_said(empty_dsn: str, size: int) -> None:
    async with PostgresStore(empty_dsn, pool_size=size) as store:
        async with asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(use(store, number))
                group.create_task(_handle(store))
        await until(lambda: _has(empty_dsn, "chekov listener chekov"))
        found = await connections(empty_dsn)
    # The runtime holds another one, by which others notice its end.
    assert sum(found.values()) + 1 <= most_connections(size)


async def _handle(store: PostgresStore) -> None:
    async with store.read_models.read_connection() as connection:
        await connection.fetchval("select pg_sleep(0.001)")


async def _has(dsn: str, application: str) -> bool:
    return application in await connections(dsn)


async def _listening(dsn: str, count: int) -> bool:
    found = await connections(dsn)
    return [found.get(f"chekov listener {name}") for name in SCHEMAS] == [1] * count


async def test_closing_one_store_leaves_the_other_working(pool: PostgresPool) -> None:
    one, other = PostgresStore(pool, schema="tenant_a"), PostgresStore(pool, schema="tenant_b")
    async with other:
        async with one:
            await one.append("a", [event()])
            await other.append("a", [event()])
        with pytest.raises(StoreClosed):
            await one.append("a", [event()])
        assert (await other.append("a", [event()])).position == 2
        assert await other.head() == 2
        async with one:
            assert await one.head() == 1


async def test_the_last_store_closes_a_pool_without_a_block_of_its_own(empty_dsn: str) -> None:
    pool = PostgresPool(empty_dsn, size=SIZE)
    async with PostgresStore(pool, schema="tenant_a") as a:
        async with PostgresStore(pool, schema="tenant_b") as b:
            await b.head()
        assert await a.head() == 0
    assert "chekov" not in await connections(empty_dsn)


async def test_a_store_that_cannot_open_leaves_the_pool_to_the_others(
    pool: PostgresPool, empty_dsn: str
) -> None:
    async with PostgresStore(pool, schema="tenant_a") as store:
        with pytest.raises(Exception, match="tenant_b"):
            async with PostgresStore(pool, schema="tenant_b", migrate=False):
                pass
        assert await store.head() == 0
