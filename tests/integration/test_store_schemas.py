"""Stores in schemas of one database do not touch each other, whatever is done in one of them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chekov.store.port import (
    CheckpointMove,
    Failure,
    NewEvent,
    ParkingEntry,
    Snapshot,
    StreamAppend,
    SubscriptionKey,
)
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.exporter import export_events
from tests.store_state import status_of
from tests.waiting import until

KEY = SubscriptionKey("bank", "Balances")
TABLES = "create table balances (account text primary key, balance bigint not null)"
ID = UUID(int=7)


def event(id_: UUID | None = None) -> NewEvent:
    return NewEvent(id_ or uuid4(), "t", b"{}", None, ID, ID)


@pytest.fixture
async def one(dsn: str) -> AsyncGenerator[PostgresStore]:
    async with PostgresStore(dsn) as store:
        yield store


@pytest.fixture
async def two(dsn: str) -> AsyncGenerator[PostgresStore]:
    # A name that is the beginning of the other's.
    async with PostgresStore(dsn, schema="chekov_") as store:
        yield store


async def everything(dsn: str, schema: str) -> Sequence[Any]:
    """All rows of all tables of a schema, but for the migrations."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "select relname from pg_class where relkind = 'r' and relname <> 'migrations' "
            "and relnamespace = $1::text::regnamespace order by 1",
            schema,
        )
        return [
            (
                row[0],
                [tuple(item) for item in await connection.fetch(f'table "{schema}"."{row[0]}"')],
            )
            for row in tables
        ]
    finally:
        await connection.close()


async def do_everything(store: PostgresStore) -> None:
    """Use every part of a store, with names and ids that others use too."""
    await store.append("a-1", [event(ID), event(), event()])
    await store.append("a-2", [event()], command_id=uuid4())
    await store.append_together([StreamAppend("a-3", [event()]), StreamAppend("a-4", [event()])])
    await store.streams.link("links", [1])
    await store.streams.delete("a-2")
    await store.streams.delete("a-3", erase=True)
    await store.streams.truncate("a-1", before=2, erase=True)
    await store.snapshots.save(Snapshot("a-1", 3, "k", b"x"))
    await store.subscriptions.register([KEY])
    [claim] = await store.subscriptions.claim("owner", [KEY], lease=3600)
    schema = store.read_models.schema_for(KEY)
    await store.read_models.create_tables(schema, TABLES)
    async with store.read_models.transaction(
        claim, CheckpointMove(1), search_path=schema
    ) as connection:
        await connection.execute("insert into balances values ('a', 1)")
    [recorded] = await store.read_page(limit=1)
    parked = ParkingEntry(recorded, "a-1", Failure(3, "no"))
    await store.subscriptions.save(claim, 1, parked=[parked])
    await store.subscriptions.stop(claim, "stopped")


async def test_what_is_done_in_one_leaves_the_other_as_it_was(
    dsn: str, one: PostgresStore, two: PostgresStore
) -> None:
    await two.append("a-1", [event(ID)])
    await two.subscriptions.register([KEY])
    before = await everything(dsn, "chekov_")
    await do_everything(one)
    assert await everything(dsn, "chekov_") == before
    mine = await everything(dsn, "chekov")
    assert one.read_models.schema_for(KEY) != two.read_models.schema_for(KEY)
    await two.subscriptions.resume("bank", "Balances")
    [claim] = await two.subscriptions.claim("another", [KEY], lease=3600)
    await two.subscriptions.release("another", [KEY])
    assert claim.position == 0
    assert await everything(dsn, "chekov") == mine
    assert (await status_of(dsn)).position == await one.head()
    assert (await status_of(dsn, "chekov_")).position == 1
    lines: list[bytes] = []
    await export_events(dsn, "chekov_", lines.append)
    assert len(b"".join(lines).splitlines()) == 3


async def test_notifications_stay_in_their_store(one: PostgresStore, two: PostgresStore) -> None:
    await one.append("a", [event()])
    await one.subscriptions.register([KEY])
    await one.subscriptions.claim("owner", [KEY], lease=3600)
    seen = await two.wait("subscriptions", 0, 60)
    await asyncio.gather(*(one.append("a", [event()]) for _ in range(100)))
    await one.subscriptions.release("owner", [KEY])
    assert await two.wait("subscriptions", seen, 0.3) == seen
    assert two.tail.head.value == 0


async def test_turns_are_taken_by_store(dsn: str, one: PostgresStore, two: PostgresStore) -> None:
    connection = await asyncpg.connect(dsn)
    async with connection.transaction():
        await one.read_models.append_in_transaction(connection, "a", [event()])
        waiting = asyncio.create_task(one.append("b", [event()]))
        assert (await two.append("a", [event()])).position == 1
        assert not waiting.done()
    assert (await waiting).position == 2
    await connection.close()


def alone(store: PostgresStore) -> bool:
    return store._background.listener.alone()


async def test_a_store_in_another_schema_is_not_another_writer(
    one: PostgresStore, two: PostgresStore
) -> None:
    """Each knows itself alone in its store, and appends without taking turns."""

    async def both_alone() -> bool:
        return all(alone(store) for store in (one, two))

    await until(both_alone)
    for number in range(50):
        for store in (one, two):
            assert (await store.append("a", [event()], expected=number)).position == number + 1
    async with PostgresStore(one._schema.pool.options.dsn) as third:
        await until(lambda: not alone(one))
        assert alone(two)
        assert (await third.append("a", [event()])).position == 51
