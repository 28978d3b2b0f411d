"""Connections that handlers and queries are lent: how often they are spoken to, and how clean."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from chekov.store.port import CheckpointMove, SubscriptionKey
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.lent_connection import LentConnection

KEY = SubscriptionKey("bank", "balances")
TABLES = "create table balances (id int primary key deferrable initially deferred)"


async def prepared(store: PostgresStore) -> str:
    schema = store.read_models.schema_for(KEY)
    await store.read_models.create_tables(schema, TABLES)
    await store.subscriptions.register([KEY])
    return schema


@asynccontextmanager
async def logged() -> AsyncGenerator[list[str]]:
    """The statements that lent connections send meanwhile; the store's own work goes on beside."""
    sent: list[str] = []

    def note(connection: object, query: str) -> None:
        if isinstance(connection, LentConnection):
            sent.append(query)

    execute, fetch = asyncpg.Connection.execute, asyncpg.Connection.fetch

    async def executing(self: Any, query: str, *args: Any, **options: Any) -> str:
        note(self, query)
        return await execute(self, query, *args, **options)

    async def fetching(self: Any, query: str, *args: Any, **options: Any) -> Any:
        note(self, query)
        return await fetch(self, query, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg.Connection, "execute", executing)
        patch.setattr(asyncpg.Connection, "fetch", fetching)
        yield sent


async def test_a_projected_event_takes_four_statements(postgres_store: PostgresStore) -> None:
    schema = await prepared(postgres_store)
    [claim] = await postgres_store.subscriptions.claim("one", [KEY], lease=3600)
    for position in (1, 2):
        async with (
            logged() as sent,
            postgres_store.read_models.transaction(
                claim, CheckpointMove(position), search_path=schema
            ) as connection,
        ):
            await connection.execute("insert into balances values ($1)", position)
        begin, insert, advance, commit = sent
        assert begin.startswith("BEGIN;set local search_path")
        assert insert.startswith("insert")
        assert "update" in advance
        assert commit.startswith("COMMIT;SELECT pg_advisory_unlock_all()")


async def test_a_query_takes_three_statements(postgres_store: PostgresStore) -> None:
    schema = await prepared(postgres_store)
    async with (
        logged() as sent,
        postgres_store.read_models.read_connection(search_path=schema) as connection,
    ):
        assert await connection.fetch("select * from balances") == []
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            async with connection.transaction():
                await connection.execute("insert into balances values (1)")
        assert await connection.fetch("select * from balances") == []
    assert sent[0].startswith("BEGIN READ ONLY;set local search_path")
    assert sent[-1].startswith("COMMIT;SELECT pg_advisory_unlock_all()")
    assert len(sent) == 3 + 4  # a savepoint, the insert, the way back, and the second query


@pytest.mark.parametrize("ending", ["commit", "error", "refused commit"])
async def test_nothing_of_a_session_is_left_to_the_next(
    postgres_store: PostgresStore, ending: str
) -> None:
    schema = await prepared(postgres_store)
    [claim] = await postgres_store.subscriptions.claim("one", [KEY], lease=3600)
    transaction = postgres_store.read_models.transaction
    try:
        async with transaction(claim, CheckpointMove(1), search_path=schema) as connection:
            await connection.fetch("select pg_advisory_lock(1)")
            await connection.execute("set application_name = 'somebody'")
            if ending == "error":
                raise ValueError("of the handler")  # noqa: TRY301
            if ending == "refused commit":
                await connection.execute("insert into balances values (1), (1)")
    except (ValueError, asyncpg.UniqueViolationError):
        assert ending != "commit"
    async with transaction(claim, CheckpointMove(2)) as connection:
        assert await connection.fetchval("show application_name") == "chekov handlers"
        assert await connection.fetchval("show search_path") != f'"{schema}", public'
        locks = "select count(*) from pg_locks where locktype = 'advisory' and objsubid = 1"
        assert await connection.fetchval(locks) == 0


async def test_names_of_schemas_are_quoted(dsn: str) -> None:
    store = PostgresStore(dsn, schema="odd_one")
    name = 'a "b" $c; select'
    async with store:
        await store.read_models.create_tables(name, "create table t (id int)")
        async with store.read_models.read_connection(search_path=name) as connection:
            assert await connection.fetch("select * from t") == []
