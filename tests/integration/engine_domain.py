"""A counter, and a projection that records every delivery of its events."""

from collections.abc import Awaitable, Callable

from chekov import Connection, Domain, EventHandler, Projection, Transaction, handle, query
from tests.unit.engine.counter_domain import Added, Counter


async def nothing(event: Added, transaction: Transaction) -> None:
    pass


class Totals(Projection, name="totals"):
    """One row for each event, so that a second delivery shows, and a sum for each counter."""

    tables = """
        create table seen (position bigint not null, times integer not null);
        create table sums (counter text primary key, total bigint not null);
        create table promises (
            id bigint primary key,
            kept_by bigint references promises deferrable initially deferred
        );
    """

    def __init__(self, then: Callable[[Added, Transaction], Awaitable[None]] = nothing) -> None:
        self.then = then

    @handle
    async def added(self, event: Added, transaction: Transaction) -> None:
        execute = transaction.connection.execute
        await execute("insert into seen values ($1, $2)", transaction.position, transaction.attempt)
        await execute(
            "insert into sums values ($1, $2) on conflict (counter) do update"
            " set total = sums.total + $2",
            transaction.stream,
            event.amount,
        )
        await self.then(event, transaction)

    @query
    async def total(self, connection: Connection, counter: str) -> int | None:
        return await connection.fetchval("select total from sums where counter = $1", counter)

    @query
    async def seen(self, connection: Connection) -> list[int]:
        rows = await connection.fetch("select position from seen order by position")
        return [row["position"] for row in rows]


class StoppingTotals(Totals, name="totals", on_failure="stop"):
    pass


class NewTotals(Totals, name="totals", version=2):
    pass


def counting(*handlers: EventHandler) -> Domain:
    return Domain("counting", aggregates=[Counter], handlers=handlers)
