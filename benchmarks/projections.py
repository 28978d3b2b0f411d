"""Projections and handlers that catch up with everything: how fast, what they read, and whether the
tables hold each event once and in the order of its stream."""

import asyncio
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Final
from uuid import uuid4

import asyncpg

from benchmarks.domain import Added, Counter, watching
from benchmarks.history import HistoryError
from benchmarks.measure import Rate, tune_gc
from benchmarks.report import COPIED, FOLDED, ONE_WRITE_EACH
from chekov import (
    Connection,
    Delivered,
    Domain,
    Projection,
    Runtime,
    Transaction,
    definition_of,
    handle,
    query,
)

BATCH = (1000, timedelta(milliseconds=10))
_SECONDS = 600
_BUSY = """
    select count(*) from pg_stat_activity
    where datname = current_database() and application_name like 'chekov%'
"""
UPSERT: Final = """
    insert into totals values ($1, $2, $3)
    on conflict (stream) do update set events = totals.events + $2, version = $3
    where totals.version + $2 = $3
"""
"""Leaves a stream as it is when events are missing, doubled or out of order: then its count differs
from what is stored, in the end."""
UPSERTS: Final = """
    insert into totals select * from unnest($1::text[], $2::bigint[], $3::bigint[])
    on conflict (stream) do update
    set events = totals.events + excluded.events, version = excluded.version
    where totals.version + excluded.events = excluded.version
"""
"""The same for many streams at once."""


class Totals(Projection, name="totals"):
    """How many events each stream has; subclasses write them in different ways."""

    tables = "create table totals (stream text primary key, events bigint, version bigint)"
    select: ClassVar = "select stream, events from totals"

    @query
    async def counts(self, connection: Connection) -> dict[str, int]:
        rows = await connection.fetch(self.select)
        return {row["stream"]: row["events"] for row in rows}


class OneWriteEach(Totals, name="one-write-each"):
    @handle
    async def added(self, event: Added, transaction: Transaction) -> None:
        transaction.write(UPSERT, transaction.stream, 1, transaction.version)


class Folded(Totals, name="folded"):
    """Adds up a batch, and writes all of its streams at once."""

    @handle(batch=BATCH)
    async def added(self, batch: Sequence[Delivered[Added]], transaction: Transaction) -> None:
        places = ((context.stream, context.version) for _, context in batch)
        transaction.write(UPSERTS, *folded(places))


class Copied(Projection, name="copied"):
    """One row for each event."""

    tables = """
        create table seen (number bigint generated always as identity, stream text, version bigint)
    """
    select: ClassVar = (
        "select stream, count(*) as events from (select stream, version = row_number()"
        " over (partition by stream order by number) as ok from seen) as each"
        " where ok group by stream"
    )

    @handle(batch=BATCH)
    async def added(self, batch: Sequence[Delivered[Added]], transaction: Transaction) -> None:
        rows = [(context.stream, context.version) for _, context in batch]
        await transaction.copy("seen", rows, columns=("stream", "version"))

    @query
    async def counts(self, connection: Connection) -> dict[str, int]:
        rows = await connection.fetch(self.select)
        return {row["stream"]: row["events"] for row in rows}


ROWS: Mapping[str, Callable[[], Projection]] = {
    ONE_WRITE_EACH: OneWriteEach,
    FOLDED: Folded,
    COPIED: Copied,
}
"""What each row of the report measures."""


def folded(places: Iterable[tuple[str, int]]) -> tuple[list[str], list[int], list[int]]:
    """Each stream, how many of the events it has, and the version of the last of them."""
    events: Tally[str] = Tally()
    versions: dict[str, int] = {}
    for stream, version in places:
        events[stream] += 1
        versions[stream] = version
    return list(events), list(events.values()), list(versions.values())


async def build(dsn: str, schema: str, projection: Projection) -> Rate:
    """Build the tables of a projection from everything that is stored.

    Raises:
        HistoryError: they do not hold each event once and in order.
    """
    domain = Domain(f"bench-{uuid4().hex[:8]}", aggregates=[Counter], handlers=[projection])
    async with Runtime(domain, store=dsn, schema=schema) as runtime:
        tune_gc()
        head = await runtime.store.head()
        started = time.perf_counter()
        await runtime.wait(head, timeout=_SECONDS)
        seconds = time.perf_counter() - started
        counts = await runtime.query(definition_of(projection).name, "counts", {})
    expected = await stored(dsn, schema)
    if counts != expected:
        raise HistoryError("a projection does not hold each event once and in order")
    return Rate(sum(expected.values()), seconds, started=started)


async def rows_read(dsn: str, schema: str, subscriptions: int) -> int:
    """Rows that Postgres read from the log while so many handlers caught up at the same time."""
    before = await _fetched(dsn, schema)
    seen: list[int] = []
    domain = watching(
        f"bench-{uuid4().hex[:8]}", lambda context: seen.append(context.position), subscriptions
    )
    async with Runtime(domain, store=dsn, schema=schema) as runtime:
        await runtime.wait(await runtime.store.head(), timeout=_SECONDS)
    times = set(Tally(seen).values())
    if times != {subscriptions}:
        raise HistoryError(f"{subscriptions} handlers were given events {times} times")
    return await _fetched(dsn, schema) - before


async def stored(dsn: str, schema: str) -> dict[str, int]:
    """The events in each stream."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            f"select stream, count(*) from {schema}.events where type = 'Added' group by stream"
        )
    finally:
        await connection.close()
    return {row["stream"]: row["count"] for row in rows}


async def _fetched(dsn: str, schema: str) -> int:
    """Rows of the log that were read so far; a backend reports them at the latest when it ends."""
    connection = await asyncpg.connect(dsn)
    try:
        # Postgres announces no end of a backend, so ask.
        while await connection.fetchval(_BUSY):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return await connection.fetchval(
            "select seq_tup_read + idx_tup_fetch from pg_stat_user_tables"
            " where schemaname = $1 and relname = 'events'",
            schema,
        )
    finally:
        await connection.close()
