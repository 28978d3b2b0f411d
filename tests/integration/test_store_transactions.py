"""Appends within a transaction of the caller's."""

import asyncio
import json
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from chekov.errors import (
    DuplicateCommand,
    DuplicateEvent,
    InvalidAppend,
    StoreError,
    StreamDeleted,
    WrongExpectedVersion,
)
from chekov.store.port import NewEvent
from chekov.store.postgres import PostgresStore


def event(data: bytes = b"{}") -> NewEvent:
    return NewEvent(uuid4(), "t", data)


async def test_events_and_other_writes_commit_together(
    dsn: str, postgres_store: PostgresStore
) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("create table orders (id integer primary key)")
    async with connection.transaction():
        await connection.execute("insert into orders values (1)")
        appended = await postgres_store.read_models.append_in_transaction(
            connection, "order-1", [event(), event(b"\x80")], expected=0
        )
        assert await postgres_store.head() == 0
    assert (appended.version, appended.position) == (2, 2)
    assert list(await postgres_store.read_stream("order-1")) == list(appended.recorded)

    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("insert into orders values (2)")
    await postgres_store.read_models.append_in_transaction(connection, "order-2", [event()])
    await transaction.rollback()
    assert await connection.fetchval("select count(*) from orders") == 1
    assert (await postgres_store.append("order-2", [event()], expected=0)).position == 3
    await connection.close()


async def test_others_wait_for_the_transaction_and_hear_of_its_end(
    dsn: str, postgres_store: PostgresStore
) -> None:
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    await postgres_store.read_models.append_in_transaction(connection, "a", [event()])
    waiting = asyncio.create_task(postgres_store.append("b", [event()]))
    heard = asyncio.create_task(postgres_store.wait("events", 0, 30))
    await transaction.commit()
    await heard
    assert (await waiting).position == 2
    await connection.close()


async def test_a_refusal_leaves_the_transaction_usable(
    dsn: str, postgres_store: PostgresStore
) -> None:
    known, command = event(), uuid4()
    await postgres_store.append("a", [known])
    await postgres_store.append("gone", [event()])
    await postgres_store.streams.delete("gone")
    await postgres_store.append("b", [event()._replace(causation_id=command)])
    connection = await asyncpg.connect(dsn)
    async with connection.transaction():
        for stream, new, expected, command_id, error in (
            ("a", event(), 7, None, WrongExpectedVersion),
            ("a", known, 1, None, DuplicateEvent),
            ("a", event(b"{"), 1, None, InvalidAppend),
            ("gone", event(), -1, None, StreamDeleted),
            ("c", event(), 0, command, DuplicateCommand),
        ):
            with pytest.raises(error):
                await postgres_store.read_models.append_in_transaction(
                    connection, stream, [new], expected=expected, command_id=command_id
                )
        await postgres_store.read_models.append_in_transaction(
            connection, "a", [event()], expected=1
        )
    assert [item.position for item in await postgres_store.read_page()] == [1, 2, 3, 4, 5]
    await connection.close()


async def test_codecs_of_the_caller_s_connection_change_nothing(
    dsn: str, postgres_store: PostgresStore
) -> None:
    connection = await asyncpg.connect(dsn)
    for name in ("json", "uuid", "timestamptz"):
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=json.dumps, decoder=json.loads
        )
    when = datetime(2024, 2, 29, 1, 2, 3, 456789, UTC)
    new = NewEvent(uuid4(), "t", b'{"a": "\xc3\xa4"}', b'{"m": 1}', uuid4(), uuid4(), when)
    async with connection.transaction():
        appended = await postgres_store.read_models.append_in_transaction(
            connection, "a", [new, event(b"\x80")]
        )
    assert appended.recorded[0].time == when
    assert list(await postgres_store.read_stream("a")) == list(appended.recorded)
    assert appended.recorded[0][3:9] == new[:6]
    await connection.close()


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_a_transaction_that_cannot_see_others_is_refused(
    dsn: str, postgres_store: PostgresStore, isolation: str
) -> None:
    connection = await asyncpg.connect(dsn)
    async with connection.transaction(isolation=isolation):  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="read committed"):
            await postgres_store.read_models.append_in_transaction(connection, "a", [event()])
        assert await connection.fetchval("select 1") == 1
    await connection.close()
