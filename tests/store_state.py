"""The state of a Postgres store, seen from other connections."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from chekov.store.postgres.inspect import Inspector, StoreStatus
from tests.waiting import until


async def blocks_another(connection: "asyncpg.Connection[Any]") -> bool:
    """Whether another connection waits for a lock that this one holds."""
    # Not from pg_stat_activity, which a transaction sees as it was when it first read it.
    return bool(
        await connection.fetchval(
            "select exists (select from pg_locks"
            " where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)))"
        )
    )


async def status_of(dsn: str, schema: str = "chekov") -> StoreStatus:
    """Its status, as the operator reads it."""
    inspector = Inspector(dsn)
    try:
        return await inspector.status(schema)
    finally:
        inspector.close()


async def listener_has_polled(dsn: str) -> None:
    """Wait until the store's listener has counted the other processes."""
    connection = await asyncpg.connect(dsn)
    looked = """select count(*) from pg_stat_activity
        where application_name like 'chekov listener %' and state = 'idle'
            and datname = current_database()
            and query like '%from pg_stat_activity%'"""

    async def seen() -> bool:
        return bool(await connection.fetchval(looked))

    await until(seen)
    await connection.close()


@asynccontextmanager
async def append_lock_held(dsn: str) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    """Hold the lock that writers take turns on, until the block ends."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(
                "select pg_advisory_xact_lock(hashtextextended($1, 0))", '"chekov"'
            )
            yield connection
    finally:
        await connection.close()
