"""Upcasting and serializers on Postgres, up to projections and HTTP."""

from collections.abc import Iterable, Sequence
from typing import Any

from chekov import (
    Aggregate,
    Command,
    Connection,
    Context,
    Domain,
    Event,
    EventHandler,
    Identifier,
    MessagePack,
    Origin,
    Projection,
    Runtime,
    Serializer,
    Transaction,
    apply,
    execute,
    handle,
    query,
    upcast,
)
from chekov.domain.failure import Retry
from chekov.server import rendering
from chekov.store.port import NewEvent
from chekov.uuid7 import uuid7
from tests.waiting import passed


class Sent(Event, name="sent", aliases=("dispatched",), revision=2):
    parts: int


class Paid(Event, name="paid"):
    cents: int


class Send(Command[Sent]):
    parcel: Identifier[str]
    parts: int


class Parcel(Aggregate, identity="parcel"):
    parts: int = 0
    cents: int = 0

    @execute
    def send(self, command: Send) -> Iterable[Sent]:
        yield Sent(parts=command.parts)

    @apply
    def sent(self, event: Sent) -> None:
        self.parts += event.parts

    @apply
    def paid(self, event: Paid) -> None:
        self.cents += event.cents


class Ledger(Projection, name="ledger"):
    """A row for each event; handling an amount in `failing` fails."""

    tables = "create table rows (position bigint, what text, amount bigint)"

    def __init__(self, *failing: int) -> None:
        self.failing = failing

    @handle
    async def sent(self, event: Sent, transaction: Transaction) -> None:
        await self.write(transaction, "sent", event.parts)

    @handle
    async def paid(self, event: Paid, transaction: Transaction) -> None:
        await self.write(transaction, "paid", event.cents)
        if event.cents in self.failing:
            raise RuntimeError("no money please")

    async def write(self, transaction: Transaction, what: str, amount: int) -> None:
        await transaction.connection.execute(
            "insert into rows values ($1, $2, $3)", transaction.position, what, amount
        )

    @query
    async def rows(self, connection: Connection) -> Sequence[tuple[int, str, int]]:
        found = await connection.fetch("select * from rows order by position, what desc")
        return [(row["position"], row["what"], row["amount"]) for row in found]


class Counting(EventHandler, name="counting", consistency="strong"):
    def __init__(self) -> None:
        self.parts: list[int] = []

    @handle
    async def sent(self, event: Sent, context: Context) -> None:
        del context
        self.parts.append(event.parts)


@upcast("sent-and-paid", to=("sent", Paid))
def split(data: dict[str, Any], origin: Origin) -> Iterable[tuple[str | type[Event], Any]]:
    del origin
    yield "sent", {"number": data["number"]}
    yield Paid, {"cents": data["cents"]}


@upcast("sent", to=Sent)
def renamed(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    del origin
    return {"parts": data["number"]}


@upcast("weighed", to=())
def dropped(data: dict[str, Any], origin: Origin) -> Iterable[tuple[str, dict[str, Any]]]:
    del data, origin
    return ()


HISTORY = (
    ("sent", b'{"number": 1}'),
    ("weighed", b"{}"),
    ("sent-and-paid", b'{"number": 2, "cents": 20}'),
    ("sent-and-paid", b'{"number": "two", "cents": 20}'),
    ("dispatched", b'{"parts": 3}'),
    ("paid", b'{"cents": 1e999}'),
    ("sent-and-paid", MessagePack().encode({"number": 4, "cents": 40})),
    ("weighed", b"{}"),
)
ROWS = [(1, "sent", 1), (3, "sent", 2), (3, "paid", 20), (5, "sent", 3), (7, "sent", 4)]
LAST_ROW = (7, "paid", 40)


def parcels(*handlers: EventHandler, serializer: Serializer | None = None) -> Domain:
    return Domain(
        "parcels",
        aggregates=[Parcel],
        handlers=handlers,
        upcasters=[split, renamed, dropped],
        serializer=serializer,
    )


def running(dsn: str, *handlers: EventHandler) -> Runtime:
    domain = parcels(*handlers, serializer=MessagePack())
    return Runtime(domain, store=dsn, retry=Retry(attempts=2, first=0.001))


async def fill(dsn: str, history: Iterable[tuple[str, bytes]] = HISTORY) -> None:
    async with Runtime(parcels(), store=dsn) as runtime:
        for number, (name, data) in enumerate(history, 1):
            await runtime.store.append(f"parcel-{number}", [NewEvent(uuid7(), name, data)])


async def test_a_projection_is_built_from_upcast_events(dsn: str) -> None:
    await fill(dsn)
    counting = Counting()
    async with running(dsn, Ledger(), counting) as runtime:
        await passed(runtime, len(HISTORY))
        assert await runtime.query("ledger", "rows", {}) == [*ROWS, LAST_ROW]
        for name, positions in (("ledger", [4, 6]), ("counting", [4])):
            parked = await runtime.store.subscriptions.parked("parcels", name)
            assert [event.position for event in parked] == positions
            assert all(event.error.startswith("Undecodable") for event in parked)
        assert runtime.healthy
    assert counting.parts == [1, 2, 3, 4]


async def test_a_failing_part_rolls_back_the_whole_event(dsn: str) -> None:
    await fill(dsn)
    async with running(dsn, Ledger(40)) as runtime:
        await passed(runtime, len(HISTORY))
        assert await runtime.query("ledger", "rows", {}) == ROWS[:-1]
        parked = await runtime.store.subscriptions.parked("parcels", "ledger")
    assert [(event.position, event.attempts) for event in parked] == [(4, 1), (6, 1), (7, 2)]


async def test_a_projection_skips_dropped_events(dsn: str) -> None:
    await fill(dsn, [("weighed", b"{}")] * 30)
    async with running(dsn, Ledger()) as runtime:
        await runtime.wait(30)
        [row] = await runtime.store.subscriptions.list("parcels")
        assert row.parked == 0


async def test_messagepack_and_json_events_are_read_together(dsn: str) -> None:
    await fill(dsn, HISTORY[:1])
    async with running(dsn, Ledger()) as runtime:
        for parts in (5, 6):
            done = await runtime.dispatch(Send(parcel="1", parts=parts), consistency="strong")
        assert done.recorded[0].data == MessagePack().encode({"parts": 6})
        assert (await runtime.load(Parcel, "1")).state == Parcel(parts=12)
        assert await runtime.query("ledger", "rows", {}) == [
            (1, "sent", 1),
            (2, "sent", 5),
            (3, "sent", 6),
        ]
    async with running(dsn) as runtime:
        assert (await runtime.load(Parcel, "1")).state == Parcel(parts=12)
        page = await runtime.store.read_stream("parcel-1")
        assert [event.type for event in page] == ["sent", "sent@2", "sent@2"]
        assert b'"data":{"parts":6}' in rendering.event(page[-1])
