"""The limits of handlers that catch up: asyncpg reading the same rows, and writing the same tables.

A loop makes the statements that a handler of `projections` leads to, one after the other on one
connection, in transactions of as many events, with a checkpoint. It makes nothing else: no types,
no handlers, no claims, no failures.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, TypeAlias

import asyncpg

from benchmarks import bare
from benchmarks.history import HistoryError
from benchmarks.measure import Rate, tune_gc
from benchmarks.postgres import Connection
from benchmarks.projections import (
    BATCH,
    UPSERT,
    UPSERTS,
    Copied,
    Totals,
    folded,
    stored,
)
from benchmarks.report import COPIED, EMPTY_HANDLER, FOLDED, ONE_WRITE_EACH

Events: TypeAlias = "Sequence[asyncpg.Record]"
Write: TypeAlias = "Callable[[Connection, Events], Awaitable[object]]"

_PAGE: Final = 1000
_PROJECTED: Final = 500
"""Events in one transaction of a projection that takes them one by one."""
_READ: Final = f"""
    select {bare.COLUMNS} from events where position > $1 order by position limit {_PAGE}
"""
_MOVE: Final = "update progress set position = $1, updated = clock_timestamp() returning position"


class Limit(NamedTuple):
    """One loop.

    Attributes:
        events: of one transaction.
        write: what to do with them; `None` for nothing.
        tables: where it writes.
        counts: selects how many events of each stream it wrote.
    """

    events: int
    write: "Write | None" = None
    tables: str = ""
    counts: str = ""


async def _upsert_each(connection: Connection, events: Events) -> None:
    await connection.executemany(
        UPSERT, [(event["stream"], 1, event["version"]) for event in events]
    )


async def _upsert_folded(connection: Connection, events: Events) -> None:
    await connection.execute(UPSERTS, *folded((e["stream"], e["version"]) for e in events))


async def _copy(connection: Connection, events: Events) -> None:
    rows = [(event["stream"], event["version"]) for event in events]
    await connection.copy_records_to_table("seen", records=rows, columns=("stream", "version"))


LIMITS: Final[Mapping[str, Limit]] = {
    EMPTY_HANDLER: Limit(_PAGE),
    ONE_WRITE_EACH: Limit(_PROJECTED, _upsert_each, Totals.tables, Totals.select),
    FOLDED: Limit(BATCH[0], _upsert_folded, Totals.tables, Totals.select),
    COPIED: Limit(BATCH[0], _copy, Copied.tables, Copied.select),
}
"""The row of a handler → the limit of it."""


async def catch_up(dsn: str, schema: str, limit: Limit) -> Rate:
    """Read everything from the origin, and write what the handler would.

    Raises:
        HistoryError: the tables do not hold each event once and in order.
    """
    async with _connected(dsn, schema, limit.tables) as connection:
        tune_gc()
        read = await connection.prepare(_READ)
        count = position = 0
        started = time.perf_counter()
        while page := await read.fetch(position):
            for first in range(0, len(page), limit.events):
                await _handle(connection, limit, page[first : first + limit.events])
            count += len(page)
            position = page[-1]["position"]
        seconds = time.perf_counter() - started
        expected = await stored(dsn, schema)
        if limit.counts:
            found = {row["stream"]: row["events"] for row in await connection.fetch(limit.counts)}
            if found != expected:
                raise HistoryError("the limit does not hold each event once and in order")
        if count != sum(expected.values()):
            raise HistoryError(f"the limit read {count} events of {sum(expected.values())}")
    return Rate(count, seconds, started=started)


async def _handle(connection: Connection, limit: Limit, events: Events) -> None:
    if limit.write is None:
        await connection.fetch(_MOVE, events[-1]["position"])
        return
    async with connection.transaction():
        await limit.write(connection, events)
        await connection.fetch(_MOVE, events[-1]["position"])


@asynccontextmanager
async def _connected(dsn: str, schema: str, tables: str) -> AsyncGenerator[Connection]:
    """Connect, with empty tables in a schema of their own."""
    own = f"{schema}_bare"
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            f'drop schema if exists "{own}" cascade; create schema "{own}";'
            f'set search_path to "{own}", "{schema}";'
            f"create table progress (position bigint, updated timestamptz);"
            f"insert into progress values (0, clock_timestamp()); {tables}"
        )
        yield connection
        await connection.execute(f'drop schema "{own}" cascade')
    finally:
        await connection.close()
