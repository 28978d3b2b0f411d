"""Appends with two tags and a condition on both, beside plain ones and bare INSERTs.

Each worker appends by what it knows, its last position: nobody else writes its tags, so each
condition holds. The rows take turns in short parts, since a single flush shows.
"""

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol
from uuid import uuid4

import asyncpg

from benchmarks import bare
from benchmarks.cores import apart
from benchmarks.domain import ADDED, DATA
from benchmarks.measure import Rate, ratio, run_for
from benchmarks.report import Figure, Results
from chekov.domain.scope import Scope, ScopeItem
from chekov.store.port import NewEvent, NoneSince
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.verifier import verify_store

PARTS = 10
MANY = 256
SCHEMA = "bench_conditions"
_TAGGED = f"""with event as (
    insert into bare ({bare.COLUMNS}) values ($1,$2,$3,$4,$5,$6::text::json,$7,$8,$9,$10)
    returning position, type
)
insert into bare_tags (tag, position, type)
select tag, position, type from event cross join unnest($11::text[]) as of (tag)"""

PLAIN, CONDITIONAL = f"plain appends, {MANY} in flight", f"conditional appends, {MANY} in flight"
LONE, BARE = "conditional append, 1 in flight", "bare INSERT into two tables"


class Notes(Protocol):
    """Keeps the rates of rows."""

    def __call__(self, row: str, rate: Rate) -> None: ...


class Appends:
    """Appends of one event, to a stream for each worker."""

    def __init__(self, store: PostgresStore, head: int) -> None:
        self._store = store
        self._head = head
        self._positions: dict[int, int] = {}
        self._decisions = [_decision(worker) for worker in range(MANY)]
        self._data = DATA.encode()

    async def plain(self, worker: int) -> None:
        """Without tags."""
        await self._store.append(f"plain-{worker}", [self._event()])

    async def conditional(self, worker: int) -> None:
        """With two tags, if nothing else has either since this worker's last append."""
        tags, scope = self._decisions[worker]
        appended = await self._store.append(
            f"tagged-{worker}",
            [self._event()._replace(tags=tags)],
            condition=NoneSince(scope, self._positions.get(worker, self._head)),
        )
        self._positions[worker] = appended.position

    def _event(self) -> NewEvent:
        id_ = uuid4()
        return NewEvent(id_, ADDED, self._data, None, id_, id_)


def _decision(worker: int) -> tuple[Sequence[str], Scope]:
    """The tags of a worker's events, and the scope of those with either of them."""
    tags = (f"course:{worker}", f"student:{worker}")
    items = (ScopeItem(types=frozenset({ADDED}), tags=frozenset({tag})) for tag in tags)
    return tags, Scope(tuple(items))


async def measure(dsn: str, server: int | None, seconds: float, note: Notes) -> None:
    """Measure the four rows once; client and server have cores of their own if they may."""
    part = seconds / PARTS
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(PostgresStore(dsn, schema=SCHEMA))
        connection = await stack.enter_async_context(bare.connected(dsn, SCHEMA))
        await connection.execute("drop table if exists bare_tags")
        await connection.execute("create table bare_tags (like tags including all)")
        appends = Appends(store, await store.head())
        for operation in (appends.plain, appends.conditional):
            await run_for(part, MANY, operation)
        await store.append("lone", [NewEvent(uuid4(), ADDED, b"{}")])
        with apart([os.getpid()], server):
            for _ in range(PARTS):
                note(PLAIN, await run_for(part, MANY, appends.plain))
                note(CONDITIONAL, await run_for(part, MANY, appends.conditional))
            for _ in range(PARTS):
                note(BARE, await _insert_into_two(connection, part))
                note(LONE, await run_for(part, 1, appends.conditional))
        await connection.execute("drop table bare_tags")


async def figures(dsn: str, rates: Results) -> Sequence[Figure]:
    """How the rows relate, and whether every accepted condition held."""
    pairs = ((CONDITIONAL, PLAIN, 0.6), (LONE, BARE, 0.9))
    found = await verify_store(dsn, SCHEMA)
    return [
        *(
            Figure(f"{row} / {limit}", ratio(rates[row], rates[limit]) or 0.0, bar)
            for row, limit, bar in pairs
        ),
        Figure(
            f"faults in a store of {found.conditions:,} conditions",
            len(found.faults),
            0,
            at_most=True,
        ),
    ]


async def _insert_into_two(connection: "asyncpg.Connection[Any]", seconds: float) -> Rate:
    statement = await connection.prepare(_TAGGED)
    tags = ["course:0", "student:0"]

    async def insert(_: int) -> None:
        await statement.fetch(*bare.row(), tags)

    return await run_for(seconds, 1, insert)
