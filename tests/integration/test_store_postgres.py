"""What only the store in Postgres does."""

import asyncio
import multiprocessing
from uuid import uuid4

import asyncpg
import pytest

from chekov.errors import (
    DefinitionError,
    Fenced,
    StoreClosed,
    StoreError,
    StoreUnavailable,
)
from chekov.store.open import open_store
from chekov.store.port import CheckpointMove, Claim, NewEvent, QueriesOverloaded, SubscriptionKey
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.inspect import Inspector

KEY = SubscriptionKey("bank", "Balances")
TABLES = "create table balances (account text primary key, balance bigint not null)"


def event(data: bytes = b"{}") -> NewEvent:
    return NewEvent(uuid4(), "t", data)


async def claimed(store: PostgresStore, *, lease: float = 3600) -> Claim:
    await store.subscriptions.register([KEY])
    [claim] = await store.subscriptions.claim("one", [KEY], lease=lease)
    await store.read_models.create_tables(store.read_models.schema_for(KEY), TABLES)
    return claim


@pytest.mark.parametrize(
    "sql",
    [
        "update chekov.events set type = 'x'",
        "delete from chekov.events",
        "truncate chekov.events",
    ],
)
async def test_events_cannot_be_changed(postgres_store: PostgresStore, dsn: str, sql: str) -> None:
    await postgres_store.append("a", [event()])
    connection = await asyncpg.connect(dsn)
    with pytest.raises(asyncpg.RestrictViolationError, match="events are facts"):
        await connection.execute(sql)
    await connection.close()


async def test_a_transaction_commits_writes_and_checkpoint_together(
    postgres_store: PostgresStore,
) -> None:
    claim = await claimed(postgres_store)
    schema = postgres_store.read_models.schema_for(KEY)
    async with postgres_store.read_models.transaction(
        claim, CheckpointMove(7), search_path=schema
    ) as connection:
        await connection.execute("insert into balances values ('a', 1)")
    [row] = await postgres_store.subscriptions.list("bank")
    assert row.position == 7
    async with postgres_store.read_models.read_connection(search_path=schema) as connection:
        assert await connection.fetchval("select balance from balances") == 1


async def test_a_transaction_never_does_again_what_was_done(postgres_store: PostgresStore) -> None:
    claim = await claimed(postgres_store)
    schema = postgres_store.read_models.schema_for(KEY)

    async def write() -> None:
        async with postgres_store.read_models.transaction(
            claim, CheckpointMove(7), search_path=schema
        ) as connection:
            await connection.execute("insert into balances values (gen_random_uuid(), 1)")

    await write()
    with pytest.raises(Fenced):
        await write()
    async with postgres_store.read_models.read_connection(search_path=schema) as connection:
        assert await connection.fetchval("select count(*) from balances") == 1


async def test_a_failed_transaction_leaves_neither(postgres_store: PostgresStore) -> None:
    claim = await claimed(postgres_store)
    schema = postgres_store.read_models.schema_for(KEY)

    async def fail() -> None:
        async with postgres_store.read_models.transaction(
            claim, CheckpointMove(7), search_path=schema
        ) as connection:
            await connection.execute("insert into balances values ('a', 1)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    [row] = await postgres_store.subscriptions.list("bank")
    assert row.position == 0
    async with postgres_store.read_models.read_connection(search_path=schema) as connection:
        assert await connection.fetch("select * from balances") == []


async def test_a_stale_owner_s_transaction_is_rolled_back(postgres_store: PostgresStore) -> None:
    claim = await claimed(postgres_store, lease=0)
    schema = postgres_store.read_models.schema_for(KEY)

    async def write_late() -> None:
        async with postgres_store.read_models.transaction(
            claim, CheckpointMove(7), search_path=schema
        ) as connection:
            await connection.execute("insert into balances values ('a', 1)")
            assert await postgres_store.subscriptions.claim("two", [KEY], lease=3600)

    with pytest.raises(Fenced):
        await write_late()
    async with postgres_store.read_models.read_connection(search_path=schema) as connection:
        assert await connection.fetch("select * from balances") == []


async def test_a_lost_connection_inside_a_transaction_is_the_store_s_error(
    postgres_store: PostgresStore, dsn: str
) -> None:
    claim = await claimed(postgres_store)
    killer = await asyncpg.connect(dsn)

    async def lose() -> None:
        async with postgres_store.read_models.transaction(claim, CheckpointMove(7)) as connection:
            pid = await connection.fetchval("select pg_backend_pid()")
            await killer.execute("select pg_terminate_backend($1)", pid)
            await connection.execute("select 1")

    with pytest.raises(StoreUnavailable):
        await lose()
    await killer.close()
    async with postgres_store.read_models.transaction(claim, CheckpointMove(7)):
        pass
    [row] = await postgres_store.subscriptions.list("bank")
    assert row.position == 7


async def test_an_error_of_the_handler_s_own_sql_stays_its_own(
    postgres_store: PostgresStore,
) -> None:
    claim = await claimed(postgres_store)
    with pytest.raises(asyncpg.UndefinedTableError):
        async with postgres_store.read_models.transaction(claim, CheckpointMove(7)) as connection:
            await connection.execute("insert into nowhere values (1)")


async def test_a_wrong_call_of_the_handler_stays_its_own(postgres_store: PostgresStore) -> None:
    claim = await claimed(postgres_store)
    with pytest.raises(asyncpg.InterfaceError, match="0 arguments"):
        async with postgres_store.read_models.transaction(claim, CheckpointMove(7)) as connection:
            await connection.execute("select 1", 2)


async def test_an_error_of_the_handler_s_own_network_stays_its_own(
    postgres_store: PostgresStore,
) -> None:
    claim = await claimed(postgres_store)
    with pytest.raises(ConnectionResetError):
        async with postgres_store.read_models.transaction(claim, CheckpointMove(7)):
            raise ConnectionResetError


async def test_when_all_connections_of_a_share_are_lent_the_next_waits_in_vain(dsn: str) -> None:
    """Handlers and queries have a share each, and do not wait for the other's."""
    async with PostgresStore(dsn, pool_size=2, patience=0.1) as store:
        models = store.read_models
        claim = await claimed(store)
        async with models.transaction(claim, CheckpointMove(1)), models.read_connection():
            with pytest.raises(StoreUnavailable):
                await models.create_tables("chekov_x_v1", TABLES)
            with pytest.raises(QueriesOverloaded):
                async with models.read_connection():
                    pass
        await models.create_tables("chekov_x_v1", TABLES)
        async with models.read_connection() as connection:
            assert await connection.fetchval("select 1") == 1


async def test_queries_cannot_write(postgres_store: PostgresStore) -> None:
    await claimed(postgres_store)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with postgres_store.read_models.read_connection(
            search_path=postgres_store.read_models.schema_for(KEY)
        ) as connection:
            await connection.execute("insert into balances values ('a', 1)")


async def test_settings_of_a_handler_do_not_leak_into_the_next(
    postgres_store: PostgresStore,
) -> None:
    claim = await claimed(postgres_store)
    async with postgres_store.read_models.transaction(claim, CheckpointMove(1)) as connection:
        await connection.execute("set statement_timeout = '7s'")
    async with postgres_store.read_models.transaction(claim, CheckpointMove(2)) as connection:
        assert await connection.fetchval("show statement_timeout") == "1min"


async def test_tables_are_made_once_however_many_start(dsn: str) -> None:
    async with PostgresStore(dsn) as one, PostgresStore(dsn) as two:
        schema = one.read_models.schema_for(KEY)
        await asyncio.gather(
            *(store.read_models.create_tables(schema, TABLES) for store in [one, two] * 5)
        )
        with pytest.raises(DefinitionError, match="version"):
            await one.read_models.create_tables(schema, TABLES + "; select 1")


async def test_tables_that_postgres_refuses_are_a_fault_of_the_domain(
    postgres_store: PostgresStore,
) -> None:
    with pytest.raises(DefinitionError, match="nonsense"):
        await postgres_store.read_models.create_tables("chekov_x_v1", "create nonsense")
    await postgres_store.read_models.create_tables("chekov_x_v1", TABLES)


async def test_two_stores_share_a_database(dsn: str) -> None:
    async with PostgresStore(dsn) as one, PostgresStore(dsn, schema="order") as two:
        await one.append("a", [event()])
        await two.append("a", [event(), event()])
        assert (await one.head(), await two.head()) == (1, 2)


@pytest.mark.parametrize("schema", ["", "a b", 'a"; drop', "Upper", "pg_x", "1a", "x" * 41])
def test_a_schema_s_name_is_checked(schema: str) -> None:
    with pytest.raises(StoreError):
        PostgresStore("postgresql://localhost/x", schema=schema)


async def test_a_store_is_entered_again_and_closed_once(dsn: str) -> None:
    store = PostgresStore(dsn)
    async with store:
        async with store:
            await store.append("a", [event()])
        await store.append("a", [event()])
    with pytest.raises(StoreClosed):
        await store.append("a", [event()])
    with pytest.raises(StoreClosed):
        await store.read_page()
    with pytest.raises(StoreClosed):
        await store.wait("events", 0, 0)
    async with store:
        assert await store.head() == 2


async def test_closing_answers_what_was_begun(dsn: str) -> None:
    async with PostgresStore(dsn) as store, asyncio.TaskGroup() as group:
        tasks = [group.create_task(store.append(f"s-{n}", [event()])) for n in range(300)]
        await asyncio.sleep(0)
    assert sorted(task.result().position for task in tasks) == list(range(1, 301))


@pytest.mark.parametrize(
    "broken",
    [
        "postgresql://user:s3cret@127.0.0.1:1/nowhere",
        "postgresql://user:s3cret@127.0.0.1:notaport/nowhere",
    ],
)
async def test_a_database_that_cannot_be_reached_keeps_its_password(broken: str) -> None:
    with pytest.raises(StoreError) as caught:
        async with PostgresStore(broken, patience=0):
            pass
    assert "s3cret" not in str(caught.value)
    with pytest.raises(StoreError) as caught:
        await Inspector(broken).status("chekov")
    assert "s3cret" not in str(caught.value)


async def test_a_wrong_password_is_reported_at_once(dsn: str) -> None:
    wrong = dsn.replace("postgres:", "postgres:wr0ng", 1)
    with pytest.raises(StoreError) as caught:
        async with PostgresStore(wrong, patience=60):
            pass
    assert not isinstance(caught.value, StoreUnavailable)
    assert "wr0ng" not in str(caught.value)


async def test_an_invalid_dsn_is_reported() -> None:
    with pytest.raises(StoreError, match="postgresql://"):
        open_store("mysql://x")


async def test_another_process_hears_of_events(dsn: str) -> None:
    async with PostgresStore(dsn) as one, PostgresStore(dsn) as two:
        for number in range(20):
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(two.wait("events", number, 60))
                await asyncio.sleep(0)
                await one.append("a", [event()])
            assert waiting.result() == number + 1
            assert len(await two.tail.after(number) or ()) == 1


async def test_a_release_wakes_another_process(dsn: str) -> None:
    async with PostgresStore(dsn) as one, PostgresStore(dsn) as two:
        await claimed(one)
        seen = await two.wait("subscriptions", 0, 60)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(two.wait("subscriptions", seen, 60))
            await asyncio.sleep(0)
            await one.subscriptions.release("one", [KEY])
        assert waiting.result() > seen
        assert await two.subscriptions.claim("two", [KEY], lease=60)


async def test_an_idle_store_sends_few_statements(dsn: str) -> None:
    """Two statements a second at most, counted by Postgres."""
    connection = await asyncpg.connect(dsn)
    async with PostgresStore(dsn, migrate=False) as store:
        await store.wait("events", 0, 1.5)
        counts: list[int] = []
        # Backends report late: what they did at the beginning may be counted in one of these times.
        while not counts or (min(counts) > 2 * 3 + 2 and len(counts) < 5):
            before = await _transactions(connection)
            await store.wait("events", 0, 3)
            counts.append(await _transactions(connection) - before)
    await connection.close()
    assert min(counts) <= 2 * 3 + 2


async def _transactions(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    return await connection.fetchval(
        "select xact_commit from pg_stat_database where datname = current_database()"
    )


def _append_many(dsn: str, name: str, count: int) -> None:
    async def work() -> None:
        async with PostgresStore(dsn, migrate=False) as store, asyncio.TaskGroup() as group:
            for writer in range(8):
                group.create_task(write(store, writer))

    async def write(store: PostgresStore, writer: int) -> None:
        for number in range(count):
            await store.append(f"{name}-{writer}", [event()], expected=number)
            await store.append("shared", [event()])

    asyncio.run(work())


async def test_processes_share_one_order(dsn: str, postgres_store: PostgresStore) -> None:
    """Real processes, each with its own committer; a reader follows them live."""
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_append_many, args=(dsn, f"p{number}", 25)) for number in range(3)
    ]
    for process in processes:
        process.start()
    total = 3 * 8 * 25 * 2
    seen: list[int] = []
    while len(seen) < total:
        await postgres_store.wait("events", len(seen), 1)
        page = await postgres_store.read_page(after=len(seen))
        seen += [item.position for item in page]
    assert seen == list(range(1, total + 1))
    for process in processes:
        await asyncio.to_thread(process.join)
        assert process.exitcode == 0
    assert (await postgres_store.streams.info("shared")).version == total // 2
