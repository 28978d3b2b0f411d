"""The store over PgBouncer in transaction mode: every promise holds without a session."""

import asyncio
import multiprocessing
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from uuid import uuid4

import asyncpg
import pytest

from chekov.errors import StoreError, StoreUnavailable
from chekov.store.port import CheckpointMove, NewEvent, SubscriptionKey
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.inspect import Inspector
from chekov.store.postgres.migrator import migrate, needed_version
from chekov.testing.contract import StoreContract
from tests.integration.pgbouncer import pgbouncer, through

KEY = SubscriptionKey("bank", "Balances")


@pytest.fixture(scope="module")
def port(server: str) -> Generator[int]:
    """Where PgBouncer listens."""
    with pgbouncer(server) as found:
        yield found


@pytest.fixture
def pooled_dsn(dsn: str, port: int) -> str:
    """A fresh database with an empty store, by way of PgBouncer."""
    return through(dsn, port)


@pytest.fixture
async def pooled_store(pooled_dsn: str) -> AsyncGenerator[PostgresStore]:
    """An open store there."""
    async with PostgresStore(pooled_dsn, migrate=False, pooled=True) as store:
        yield store


def event() -> NewEvent:
    return NewEvent(uuid4(), "t", b"{}")


class TestPooledStore(StoreContract):
    @pytest.fixture
    def store(self, pooled_store: PostgresStore) -> PostgresStore:
        return pooled_store


async def test_a_schema_is_migrated_and_inspected(empty_dsn: str, port: int) -> None:
    pooled = through(empty_dsn, port)
    assert (await migrate(pooled, "chekov")).now == needed_version()
    async with PostgresStore(pooled, pooled=True) as store:
        await store.subscriptions.register([KEY])
        await store.append("a", [event()])
    inspector = Inspector(pooled)
    assert (await inspector.status("chekov")).position == 1
    [row] = (await inspector.progress("chekov")).rows
    assert row.key == KEY
    inspector.close()


async def test_a_missing_pooled_option_is_reported(pooled_dsn: str) -> None:
    with pytest.raises(StoreError, match="CHEKOV_STORE_POOLED=true") as caught:
        async with PostgresStore(pooled_dsn, patience=60) as store:
            await store.head()
    assert not isinstance(caught.value, StoreUnavailable)


async def test_another_process_is_heard_of(pooled_dsn: str, pooled_store: PostgresStore) -> None:
    async with PostgresStore(pooled_dsn, pooled=True) as other:
        for number in range(5):
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(pooled_store.wait("events", number, 60))
                await asyncio.sleep(0)
                await other.append("a", [event()])
            assert waiting.result() == number + 1
            assert len(await pooled_store.tail.after(number) or ()) == 1


async def test_a_projection_s_transaction_and_its_checkpoint(pooled_store: PostgresStore) -> None:
    await pooled_store.subscriptions.register([KEY])
    [claim] = await pooled_store.subscriptions.claim("one", [KEY], lease=3600)
    schema = pooled_store.read_models.schema_for(KEY)
    await pooled_store.read_models.create_tables(
        schema, "create table balances (id int, tags text[])"
    )
    async with pooled_store.read_models.transaction(
        claim, CheckpointMove(7), search_path=schema
    ) as connection:
        await connection.execute("insert into balances values ($1, $2)", 1, ["a", "b"])
    async with pooled_store.read_models.read_connection(search_path=schema) as connection:
        assert await connection.fetchval("select tags from balances") == ["a", "b"]
    [row] = await pooled_store.subscriptions.list("bank")
    assert row.position == 7


async def test_the_pooler_s_connections_keep_no_state(
    dsn: str, pooled_dsn: str, pooled_store: PostgresStore
) -> None:
    """Every connection that PgBouncer has lent is as it was: no settings, statements, listeners."""
    await asyncio.gather(*(pooled_store.append(f"s-{n}", [event()]) for n in range(200)))
    await asyncio.gather(*(pooled_store.read_stream(f"s-{n}") for n in range(50)))
    await test_a_projection_s_transaction_and_its_checkpoint(pooled_store)
    direct = await asyncpg.connect(dsn)
    count = await direct.fetchval(
        "select count(*) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    await direct.close()
    assert count
    connections = [await asyncpg.connect(pooled_dsn, statement_cache_size=0) for _ in range(count)]
    # All at once, each in a transaction, so that each has a connection of its own.
    for connection in connections:
        await connection.execute("begin")
    pids: set[int] = set()
    for connection in connections:
        pids.add(await connection.fetchval("select pg_backend_pid()"))
        settings = await connection.fetch(
            "select name from pg_settings "
            "where source = 'session' and setting <> reset_val and name <> 'application_name'"
        )
        assert settings == []
        assert await connection.fetch("select name from pg_prepared_statements") == []
        assert await connection.fetch("select pg_listening_channels()") == []
    assert len(pids) == count
    for connection in connections:
        await connection.execute("rollback")
        await connection.close()


def _append_many(dsn: str, name: str, count: int) -> None:
    async def work() -> None:
        async with (
            PostgresStore(dsn, migrate=False, pooled=True) as store,
            asyncio.TaskGroup() as group,
        ):
            for writer in range(8):
                group.create_task(write(store, writer))

    async def write(store: PostgresStore, writer: int) -> None:
        for number in range(count):
            await store.append(f"{name}-{writer}", [event()], expected=number)
            await store.append("shared", [event(), event()])

    asyncio.run(work())


async def test_processes_share_one_order(pooled_dsn: str, pooled_store: PostgresStore) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_append_many, args=(pooled_dsn, f"p{number}", 25))
        for number in range(3)
    ]
    for process in processes:
        process.start()
    total = 3 * 8 * 25 * 3
    seen: list[int] = []
    ends: Counter[str] = Counter()
    while len(seen) < total:
        await pooled_store.wait("events", len(seen), 1)
        for item in await pooled_store.read_page(after=len(seen)):
            seen.append(item.position)
            ends[item.stream] += 1
            assert item.version == ends[item.stream]
    assert seen == list(range(1, total + 1))
    for process in processes:
        await asyncio.to_thread(process.join)
        assert process.exitcode == 0
    assert (await pooled_store.streams.info("shared")).version == 3 * 8 * 25 * 2
