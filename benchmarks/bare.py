"""The limits: asyncpg inserting into a table with the store's columns and indexes, nothing else."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

import asyncpg

from benchmarks.domain import DATA
from benchmarks.measure import Rate, run_for

COLUMNS = "position, stream, version, id, type, data, metadata, correlation_id, causation_id, time"
ONE = f"insert into bare ({COLUMNS}) values ($1,$2,$3,$4,$5,$6::text::json,$7,$8,$9,$10)"
MANY = f"""insert into bare ({COLUMNS})
select * from unnest($1::bigint[],$2::text[],$3::bigint[],$4::uuid[],$5::text[],
  $6::text[]::json[],$7::text[]::json[],$8::uuid[],$9::uuid[],$10::timestamptz[])"""

_positions = count(1)


def row() -> tuple[Any, ...]:
    position = next(_positions)
    id_ = uuid.UUID(int=position << 64 | position)
    stream = f"counter-{position % 256}"
    return position, stream, position, id_, "Added", DATA, None, id_, id_, datetime.now(UTC)


@asynccontextmanager
async def connected(dsn: str, schema: str) -> "AsyncGenerator[asyncpg.Connection[Any]]":
    """Connect, with an empty table like the store's on the search path."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f'set search_path to "{schema}"')
        await connection.execute("drop table if exists bare")
        await connection.execute("create table bare (like events including all)")
        yield connection
    finally:
        await connection.execute("drop table if exists bare")
        await connection.close()


async def insert_one(connection: "asyncpg.Connection[Any]", seconds: float) -> Rate:
    """Insert one row a transaction, one at a time."""
    statement = await connection.prepare(ONE)

    async def insert(_worker: int) -> None:
        await statement.fetch(*row())

    return await run_for(seconds, 1, insert)


async def insert_many(connection: "asyncpg.Connection[Any]", seconds: float, size: int) -> Rate:
    """Insert `size` rows a transaction, one transaction at a time."""
    statement = await connection.prepare(MANY)

    async def insert(_worker: int) -> None:
        await statement.fetch(*zip(*[row() for _ in range(size)], strict=True))

    return await run_for(seconds, 1, insert, weight=size)
