"""What a store waits for, it does not wait for for ever."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest

from chekov.errors import StoreUnavailable
from chekov.store.port import NewEvent
from chekov.store.postgres import PostgresStore
from tests.waiting import until

TURN = "select pg_advisory_xact_lock(hashtextextended('\"chekov\"', 0))"
WAITING = """
select count(*) from pg_locks join pg_stat_activity using (pid)
where not granted and datname = current_database()
"""


def event() -> NewEvent:
    return NewEvent(uuid4(), "t", b"{}")


@asynccontextmanager
async def held(dsn: str, sql: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    """Another session holds a lock; it can still ask questions."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(sql)
            yield connection
    finally:
        await connection.close()


async def test_an_append_does_not_wait_for_its_turn_for_ever(dsn: str) -> None:
    async with PostgresStore(dsn, statement_timeout=0.2, patience=0.5) as store:
        await store.append("a", [event()])
        async with held(dsn, TURN) as other:
            with pytest.raises(StoreUnavailable, match="lock timeout") as caught:
                await store.append("b", [event()])
            assert caught.value.stored is False
            assert await other.fetchval(WAITING) == 0
        await store.append("b", [event()])
        assert await store.head() == 2


async def test_an_append_outlives_a_wait_within_its_patience(dsn: str) -> None:
    async with PostgresStore(dsn, statement_timeout=0.1, patience=60) as store:
        async with held(dsn, TURN) as other:
            appending = asyncio.create_task(store.append("a", [event()]))

            async def waits() -> bool:
                return bool(await other.fetchval(WAITING))

            await until(waits)

            async def has_given_up_once() -> bool:
                return not await waits()

            await until(has_given_up_once)
        assert (await appending).position == 1
        assert await store.head() == 1


async def test_a_read_does_not_wait_for_ever(dsn: str) -> None:
    async with PostgresStore(dsn, statement_timeout=0.2, patience=0.5) as store:
        async with held(dsn, "lock table chekov.events in access exclusive mode"):
            with pytest.raises(StoreUnavailable, match="timeout"):
                await store.read_page()
        assert await store.read_page() == []


async def test_what_was_given_up_does_not_hold_the_turn(dsn: str) -> None:
    """It holds the store's turn, and waits for a locked table."""
    async with (
        PostgresStore(dsn, statement_timeout=0.2, patience=0.3) as store,
        held(dsn, "lock table chekov.streams in exclusive mode"),
    ):
        with pytest.raises(StoreUnavailable):
            await store.append("a", [event()])
        free = await asyncpg.connect(dsn)
        assert await free.fetchval(TURN.replace("pg_advisory", "pg_try_advisory"))
        await free.close()


async def test_each_kind_of_connection_has_its_limits(dsn: str) -> None:
    asked = (
        "select application_name, current_setting('statement_timeout'), "
        "current_setting('lock_timeout') from pg_stat_activity where pid = pg_backend_pid()"
    )
    async with PostgresStore(dsn, statement_timeout=7, query_timeout=5) as store:
        async with store.read_models.read_connection() as connection:
            row = await connection.fetchrow(asked)
            assert tuple(row or ()) == ("chekov handlers", "5s", "0")
        async with store._schema.lent() as lent:
            assert tuple(await lent.fetchrow(asked) or ()) == ("chekov handlers", "1min", "0")
        [row] = await store._schema.fetch(asked)
        assert tuple(row) == ("chekov", "7s", "3500ms")
