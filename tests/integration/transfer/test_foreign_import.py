"""Events of Chekov in Rust, and of Commanded's EventStore, are imported and go on living here."""

import json
import shlex
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from chekov import NewEvent, Runtime, Scope, StreamDeleted
from chekov.store.postgres import PostgresStore
from examples.gift_shop.gift_shop import (
    Account,
    AddGiftCardToOrder,
    Order,
    OrderRow,
    OrderStatus,
    ValidateOrder,
    domain,
)
from tests.integration.server_process import ROOT, run
from tests.integration.test_documentation import commands
from tests.integration.transfer.foreign_stores import ColumnType, ForeignStore, stored
from tests.unit.engine.boundaries.examples import CourseDefined

DOMAIN = "gift_shop:domain"
BOUNDARIES = "tests.unit.engine.boundaries.examples:examples"
FOLDER = str(ROOT / "examples" / "gift_shop")
ACCOUNT, CARD, ORDER = uuid4(), uuid4(), uuid4()


@pytest.fixture
async def connection(dsn: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    found = await asyncpg.connect(dsn)
    yield found
    await found.close()


@pytest.fixture
async def theirs(connection: "asyncpg.Connection[asyncpg.Record]") -> ForeignStore:
    """The tables of Chekov in Rust, empty."""
    store = ForeignStore(connection, "theirs")
    await store.make()
    return store


async def imported(dsn: str, origin: str, *further: str) -> tuple[int, str, str]:
    options = ("--from", origin, "--source-schema", "theirs", "--output", "json", *further)
    return await run("import", dsn, "--dsn", dsn, *options, CHEKOV_PATH=FOLDER)


async def test_chekovs_gift_shop_goes_on_where_it_was(dsn: str, theirs: ForeignStore) -> None:
    opened = {"account_id": str(ACCOUNT), "name": "Ada", "balance": 0}
    card = {"gift_card_id": str(CARD), "name": "Tea", "price": 10, "count": 5}
    created = {"order_id": str(ORDER), "account_id": str(ACCOUNT)}
    added = {"order_id": str(ORDER), "gift_card_id": str(CARD), "amount": 2, "price": 10}
    events = [
        stored(str(ACCOUNT), "AccountOpened", opened, causation_id=None, correlation_id=None),
        stored(str(CARD), "GiftCardCreated", card),
        stored(str(ORDER), "OrderCreated", created, metadata=None),
        stored(str(ORDER), "GiftCardAdded", added),
    ]
    await theirs.append(events)
    code, out, errors = await imported(dsn, "chekov", "--domain", DOMAIN)
    assert (code, errors) == (0, ""), errors
    assert json.loads(out)["events"] == len(events)
    async with Runtime(domain, store=dsn) as runtime:
        recorded = await runtime.store.read_page()
        assert [
            (item.id, item.type, item.causation_id, item.correlation_id, item.time)
            for item in recorded
        ] == [
            (item.id, item.type, item.causation_id, item.correlation_id, item.time)
            for item in events
        ]
        assert [item.stream for item in recorded] == [
            f"account-{ACCOUNT}",
            f"gift_card-{CARD}",
            f"order-{ORDER}",
            f"order-{ORDER}",
        ]
        assert (await runtime.load(Account, ACCOUNT)).state.account_id == ACCOUNT
        again = AddGiftCardToOrder(order_id=ORDER, gift_card_id=uuid4(), amount=1, price=3)
        await runtime.dispatch(again)
        await runtime.dispatch(ValidateOrder(order_id=ORDER), consistency="strong")
        order = (await runtime.load(Order, ORDER)).state
        assert (order.status, order.total_price) == (OrderStatus.VALIDATED, 23)
        rows = await runtime.query("orders", "of_account", {"account_id": ACCOUNT})
        assert rows == [OrderRow(ORDER, "Validated", 23)]


@pytest.mark.parametrize("column", ["jsonb", "json", "bytea"])
async def test_an_eventstore_keeps_ids_versions_metadata_and_the_order_of_all(
    dsn: str, connection: "asyncpg.Connection[asyncpg.Record]", column: ColumnType
) -> None:
    theirs = ForeignStore(connection, "theirs", column, origin=True)
    await theirs.make()
    events = [
        stored("account-1", "Elixir.Bank.Opened", {"owner": "Ada"}, metadata=b'{"user": "a"}'),
        stored("account-2", "Elixir.Bank.Opened", {"owner": "Bob"}, metadata=b'{"$x": 1, "y": 2}'),
        stored("account-1", "Elixir.Bank.Paid", {"Amount": 3}),
        stored("account-1", "Elixir.Bank.Paid", {"amount": 4}),
        stored("account-3", "Elixir.Bank.Opened", {"owner": "Cid"}),
    ]
    await theirs.append(events)
    await theirs.link(events[2], "large-payments")
    await theirs.delete_for_good(events[0])
    await theirs.delete_stream("account-3")
    code, out, errors = await imported(dsn, "eventstore")
    assert (code, errors) == (
        0,
        "chekov: links of events to further streams, left out: 1\n",
    )
    assert json.loads(out)["events"] == 5
    async with PostgresStore(dsn) as store:
        found = await store.read_page()
        assert [(item.position, item.stream, item.version, item.id) for item in found] == [
            (1, "account-2", 1, events[1].id),
            (2, "account-1", 2, events[2].id),
            (3, "account-1", 3, events[3].id),
            (4, "account-3", 1, events[4].id),
            (5, "account-3", 2, found[4].id),
        ]
        assert found[4].type == "$deleted"
        assert [json.loads(item.data) for item in found[:2]] == [{"owner": "Bob"}, {"Amount": 3}]
        assert json.loads(found[0].metadata or b"{}") == {"y": 2}
        assert [item.version for item in await store.read_stream("account-1")] == [2, 3]
        with pytest.raises(StreamDeleted):
            await store.append("account-3", [NewEvent(uuid4(), "Paid", b"{}")])
    await theirs.append([stored("account-2", "Elixir.Bank.Paid", {}, time=datetime.now(UTC))])
    code, out, errors = await imported(dsn, "eventstore")
    assert code == 0, errors
    assert (json.loads(out)["events"], json.loads(out)["found"]) == (1, 5)


async def test_what_cannot_be_imported_is_refused_with_the_reason(
    dsn: str, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    code, _, errors = await imported(dsn, "chekov")
    assert code == 1
    assert "no table streams in the schema 'theirs'" in errors
    assert "--source-schema" in errors
    theirs = ForeignStore(connection, "theirs", "bytea")
    await theirs.make()
    term = stored("account-1", "Elixir.Bank.Opened", b"\x83t\x00\x00")
    await theirs.append([term])
    code, _, errors = await imported(dsn, "eventstore")
    assert code == 1
    assert f"event {term.id}, Elixir.Bank.Opened at account-1 version 1" in errors
    assert "not stored as JSON" in errors


async def test_streams_that_would_have_one_name_are_refused(dsn: str, theirs: ForeignStore) -> None:
    data = {"account_id": str(UUID(int=1)), "name": "Ada", "balance": 0}
    await theirs.append(
        [stored(name, "AccountOpened", data) for name in ("1", "account-1", "account-2")]
    )
    code, _, errors = await imported(dsn, "chekov", "--domain", DOMAIN)
    assert code == 1
    assert "the streams '1' and 'account-1' of the source would both be 'account-1'" in errors


async def test_streams_that_no_aggregate_claims_keep_their_names(
    dsn: str, theirs: ForeignStore
) -> None:
    await theirs.append([stored("elsewhere", "Wholly::Other", {"Other": {"why": "because"}})])
    code, _, errors = await imported(dsn, "chekov", "--domain", DOMAIN)
    assert code == 0
    assert "streams that keep their names: 1; no aggregate of the domain" in errors
    async with PostgresStore(dsn) as store:
        [event] = await store.read_stream("elsewhere")
        assert json.loads(event.data) == {"why": "because"}


async def test_a_boundary_claims_no_stream_and_finds_no_imported_event(
    dsn: str, theirs: ForeignStore
) -> None:
    course = {"course_id": "art", "capacity": 3}
    await theirs.append([stored("course-art", "CourseDefined", {"CourseDefined": course})])
    options = ("--from", "chekov", "--source-schema", "theirs", "--domain", BOUNDARIES)
    code, _, errors = await run("import", dsn, "--dsn", dsn, *options, CHEKOV_PATH=str(ROOT))
    assert code == 0, errors
    assert "imported events carry no tags" in errors
    async with PostgresStore(dsn) as store:
        assert len(await store.read_stream("course-art")) == 1
        assert not (await store.read_scope(Scope.of(CourseDefined, course_id="art"))).events


async def test_the_guide(dsn: str, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    shop = ForeignStore(connection, "public")
    await connection.execute("drop schema public")
    await shop.make()
    data = {"account_id": str(ACCOUNT), "name": "Ada", "balance": 0}
    await shop.append([stored(str(ACCOUNT), "AccountOpened", data)])
    for command in commands("docs/how-to/move-from-chekov.md"):
        words = shlex.split(command)
        assert words[0] == "chekov"
        arguments = [dsn if "://" in word else word for word in words[1:]]
        code, _, errors = await run(*arguments, CHEKOV_PATH=FOLDER)
        assert code == 0, errors
    async with PostgresStore(dsn) as store:
        assert [item.stream for item in await store.read_page()] == [f"account-{ACCOUNT}"]
