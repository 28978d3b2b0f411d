"""The inspection of stores by the operator: its results, and its connections."""

import asyncio
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from chekov.errors import SchemaMismatch, StoreUnavailable
from chekov.store.port import CommandFigures, NewEvent, SubscriptionKey
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.inspect import Inspector
from tests.waiting import until

BALANCES = SubscriptionKey("bank", "Balances")
FIGURES = CommandFigures("bank-1/a", "bank", "r1", 2, 0, [0, 2])
WELCOME = SubscriptionKey("shop", "Welcome")


def event() -> NewEvent:
    return NewEvent(uuid4(), "opened", b"{}")


@pytest.fixture
async def inspector(dsn: str) -> AsyncGenerator[Inspector]:
    """One for a database with a store."""
    found = Inspector(dsn)
    yield found
    found.close()


async def connections(dsn: str) -> list[int]:
    """The processes of Postgres that serve an inspector of this database."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "select pid from pg_stat_activity where datname = current_database()"
            " and application_name = 'chekov inspect'"
        )
        return [row["pid"] for row in rows]
    finally:
        await connection.close()


async def end(dsn: str) -> None:
    """End them, as a failover would."""
    connection = await asyncpg.connect(dsn)
    try:
        for pid in await connections(dsn):
            await connection.execute("select pg_terminate_backend($1)", pid)
    finally:
        await connection.close()


async def test_the_status_of_a_store(dsn: str, inspector: Inspector) -> None:
    async with PostgresStore(dsn) as store:
        await store.append("a", [event(), event()])
    status = await inspector.status("chekov")
    assert (status.schema_version, status.position) == (status.needed_version, 2)
    assert status.usable
    assert 0 < status.oldest_served <= status.schema_version
    assert status.bytes > 0
    assert int(status.server_version.split(".")[0]) >= 15
    assert 0 < status.connections < status.connection_limit


async def test_the_subscriptions_of_all_domains_are_read_at_once(
    dsn: str, inspector: Inspector
) -> None:
    async with PostgresStore(dsn) as store:
        await store.append("a", [event()])
        await store.subscriptions.register([WELCOME, BALANCES])
        await store.subscriptions.claim("one", [BALANCES], lease=3600)
        await store.figures.report(FIGURES)
    found = await inspector.progress("chekov")
    assert [(row.key, row.owner) for row in found.rows] == [(BALANCES, "one"), (WELCOME, None)]
    assert (found.head, found.figures) == (1, [FIGURES])


async def test_the_generations_of_all_domains_are_read_with_them(
    dsn: str, inspector: Inspector
) -> None:
    async with PostgresStore(dsn) as store:
        await store.append("a", [event()])
        for key in (WELCOME, BALANCES):
            await store.read_models.generations.begin(key, "create table names (name text)")
    found = await inspector.progress("chekov")
    assert [item.key for item in found.generations] == [BALANCES, WELCOME]
    assert [str(item) for item in found.generations] == [
        "building Balances 1: 0 %",
        "building Welcome 1: 0 %",
    ]


async def test_whether_an_event_of_some_types_waits(dsn: str, inspector: Inspector) -> None:
    async with PostgresStore(dsn) as store:
        await store.append("a", [event()])
        await store.append("a", [NewEvent(uuid4(), "closed", b"{}")])

    async def is_waiting(*types: str, after: int) -> bool:
        return await inspector.is_waiting("chekov", types, after)

    assert await is_waiting("opened", after=0)
    assert not await is_waiting("opened", after=1)
    assert await is_waiting("opened", "closed", after=1)
    assert not await is_waiting("moved", after=0)
    assert not await is_waiting(after=0)


async def test_a_database_without_a_store(empty_dsn: str) -> None:
    inspector = Inspector(empty_dsn)
    nothing = await inspector.status("chekov")
    assert (nothing.schema_version, nothing.position, nothing.bytes) == (0, 0, 0)
    with pytest.raises(SchemaMismatch):
        await inspector.progress("chekov")
    inspector.close()


async def test_all_reads_share_one_connection(dsn: str, inspector: Inspector) -> None:
    await asyncio.gather(
        *(inspector.status("chekov") for _ in range(5)),
        *(inspector.progress("chekov") for _ in range(5)),
    )
    [first] = await connections(dsn)
    await inspector.progress("chekov")
    assert await connections(dsn) == [first]


async def test_an_idle_connection_is_closed(dsn: str) -> None:
    inspector = Inspector(dsn, idle=0)
    await inspector.status("chekov")
    await until(lambda: not inspector.in_use)
    await until(lambda: _none(dsn))
    assert (await inspector.status("chekov")).usable
    inspector.close()


async def test_a_broken_connection_is_made_again(dsn: str, inspector: Inspector) -> None:
    await inspector.status("chekov")
    await end(dsn)
    assert (await inspector.status("chekov")).usable


async def test_a_database_that_does_not_answer_is_given_up(dsn: str) -> None:
    inspector = Inspector(dsn, timeout=0.5)
    blocker = await asyncpg.connect(dsn)
    try:
        async with blocker.transaction():
            await blocker.execute("lock table chekov.events in access exclusive mode")
            with pytest.raises(StoreUnavailable):
                await inspector.progress("chekov")
    finally:
        await blocker.close()
    assert not inspector.in_use
    assert (await inspector.progress("chekov")).head == 0
    inspector.close()


async def _none(dsn: str) -> bool:
    return await connections(dsn) == []


async def test_a_connection_whose_packets_are_lost_is_followed_by_another(dsn: str) -> None:
    postgres = urlsplit(dsn)
    opened: list[asyncio.StreamWriter] = []

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            target.write(data)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        if len(opened) == 1:
            return
        answers, requests = await asyncio.open_connection(postgres.hostname, postgres.port)
        opened.append(requests)
        async with asyncio.TaskGroup() as group:
            group.create_task(pass_on(reader, requests))
            group.create_task(pass_on(answers, writer))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        address = f"{postgres.username}:{postgres.password}@127.0.0.1:{port}"
        inspector = Inspector(postgres._replace(netloc=address).geturl(), timeout=100)
        assert (await inspector.status("chekov")).position == 0
        inspector.close()
        for writer in opened:
            writer.close()
