"""The limit of process managers: the statements of their steps, one after the other by asyncpg.

Each instance withdraws, deposits, and ends, in batches of as many as a process manager handles in
one transaction: read the events, load the states, keep them with the commands and the checkpoint;
then read the accounts, append what the commands lead to, and take them out of the outbox. There are
no reactions, no aggregates, no claims, no failures, and nothing is made at the same time.
"""

import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import asyncpg

from benchmarks import bare
from benchmarks.history import HistoryError
from benchmarks.measure import Rate, tune_gc
from benchmarks.postgres import Connection
from benchmarks.process_managers import MOVES, STEPS

Events: TypeAlias = "Sequence[asyncpg.Record]"

_BATCH: Final = 500
_STATE: Final = b'{"target":"transfers-0123abcd-1234","amount":7}'
_COMMAND: Final = (
    b'{"account":"transfers-0123abcd-1234","transfer":"transfers-0123abcd-1234","amount":7}'
)
_KEY: Final = "domain = 'bank' and name = 'transfer' and version = 1 and partition = 0"
_READ: Final = f"""
    select {bare.COLUMNS} from bare where position > $1 order by position limit {_BATCH}
"""
_LOAD: Final = f"""
    select instance, begun_by, begun, data from states where {_KEY} and instance = any($1)
"""
_KEEP: Final = """
    insert into states (domain, name, version, partition, instance, begun_by, begun, data)
    select 'bank', 'transfer', 1, 0, state.*
    from unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::bytea[]) as state
    on conflict (domain, name, version, partition, instance) do update
    set begun_by = excluded.begun_by, begun = excluded.begun, data = excluded.data,
        updated = clock_timestamp()
"""
_PUT: Final = """
    insert into commands (
        domain, name, version, partition, instance, begun_by, id, command, data, correlation_id,
        causation_id
    )
    select 'bank', 'transfer', 1, 0, sent.*
    from unnest(
        $1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::bytea[], $6::uuid[], $7::uuid[]
    ) as sent
    returning number
"""
_END: Final = f"delete from states where {_KEY} and instance = any($1)"
_MOVE: Final = "update progress set position = $1, updated = clock_timestamp() returning position"
_SETTLE: Final = f"delete from commands where {_KEY} and number = any($1)"
_ACCOUNTS: Final = f"""
    select {bare.COLUMNS} from bare where stream = any($1) order by stream, version
"""


async def steps(dsn: str, schema: str, instances: int) -> Rate:
    """Make the statements of so many instances.

    Raises:
        HistoryError: not every instance has made each of its steps once.
    """
    async with _connected(dsn, schema) as connection:
        loop = _Loop(connection)
        for number in range(instances):
            await loop.request(number)
        await loop.flush()
        tune_gc()
        started = time.perf_counter()
        position = 0
        while page := await connection.fetch(_READ, position):
            position = page[-1]["position"]
            await loop.handle(page)
        seconds = time.perf_counter() - started
        await _check(connection, instances)
    return Rate(STEPS * instances, seconds, started=started)


class _Loop:
    """Appends events, and handles those that were appended."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self._position = 0

    async def request(self, number: int) -> None:
        self._add(f"request-{number}", MOVES[0], f"t-{number}", None)
        if len(self._rows) >= _BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Append what was added, with one statement."""
        if self._rows:
            await self._connection.execute(bare.MANY, *zip(*self._rows, strict=True))
            self._rows.clear()

    async def handle(self, events: Events) -> None:
        """React to events, and execute the commands that this leads to."""
        going_on = [event for event in events if event["type"] != MOVES[-1]]
        numbers = await self._react(events, going_on)
        if not going_on:
            return
        accounts = [_account(event) for event in going_on]
        await self._connection.fetch(_ACCOUNTS, accounts)
        for event, account in zip(going_on, accounts, strict=True):
            move = MOVES[MOVES.index(event["type"]) + 1]
            self._add(account, move, json.loads(event["data"])["transfer"], event["id"])
        await self.flush()
        await self._connection.execute(_SETTLE, numbers)

    async def _react(self, events: Events, going_on: Events) -> list[int]:
        connection = self._connection
        names = [json.loads(event["data"])["transfer"] for event in events]
        kept = [json.loads(event["data"])["transfer"] for event in going_on]
        ended = list(set(names) - set(kept))
        numbers: Events = ()
        await connection.fetch(_LOAD, names)
        async with connection.transaction():
            if ended:
                await connection.execute(_END, ended)
            if kept:
                ids = [event["id"] for event in going_on]
                times = [event["time"] for event in going_on]
                await connection.execute(_KEEP, kept, ids, times, [_STATE] * len(kept))
                numbers = await connection.fetch(
                    _PUT,
                    kept,
                    ids,
                    [uuid4() for _ in kept],
                    ["Withdraw"] * len(kept),
                    [_COMMAND] * len(kept),
                    ids,
                    ids,
                )
            await connection.fetch(_MOVE, events[-1]["position"])
        return [row["number"] for row in numbers]

    def _add(self, stream: str, move: str, transfer: str, cause: UUID | None) -> None:
        self._position += 1
        data = f'{{"transfer":"{transfer}","amount":7}}'
        version = 1 if cause is None else self._position
        self._rows.append(
            (self._position, stream, version, uuid4(), move, data, None, cause, cause, _now())
        )


def _account(event: "asyncpg.Record") -> str:
    """One that was withdrawn from, or one that gets the money."""
    number = int(json.loads(event["data"])["transfer"].removeprefix("t-"))
    return f"account-{number if event['type'] == MOVES[0] else number + 1}"


def _now() -> datetime:
    return datetime.now(UTC)


async def _check(connection: Connection, instances: int) -> None:
    found = await connection.fetch(
        "select data ->> 'transfer' as transfer, array_agg(type order by position) as moves"
        " from bare group by 1"
    )
    if len(found) != instances or any(row["moves"] != MOVES for row in found):
        raise HistoryError("the limit did not make each step of each instance once and in order")
    left = await connection.fetchval(
        "select (select count(*) from states) + (select count(*) from commands)"
    )
    if left:
        raise HistoryError(f"the limit left {left} states and commands")


@asynccontextmanager
async def _connected(dsn: str, schema: str) -> AsyncGenerator[Connection]:
    """Connect, with empty tables like the store's, and their indexes, in a schema of their own."""
    own = f"{schema}_bare"
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            f'drop schema if exists "{own}" cascade; create schema "{own}";'
            f'set search_path to "{own}", "{schema}";'
            "create table bare (like events including all);"
            "create table states (like process_instances including all);"
            "create table commands (like outbox including all);"
            "create table progress (position bigint, updated timestamptz);"
            "insert into progress values (0, clock_timestamp())"
        )
        yield connection
        await connection.execute(f'drop schema "{own}" cascade')
    finally:
        await connection.close()
