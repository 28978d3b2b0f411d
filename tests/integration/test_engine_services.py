"""Projections and process managers given as classes: made with services, each runtime its own."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from chekov import (
    Command,
    Connection,
    Domain,
    ProcessManager,
    Projection,
    Runtime,
    Transaction,
    handle,
    query,
    start,
)
from tests.unit.engine.counter_domain import Add, Added, Counter, Note, Noted
from tests.waiting import until


class Factors:
    amount = 7


@asynccontextmanager
async def factors() -> AsyncGenerator[Factors]:
    yield Factors()


class Scaled(Projection, name="scaled"):
    tables = "create table scaled (amount bigint)"

    def __init__(self, services: Factors) -> None:
        self.factor = services.amount

    @handle
    async def added(self, event: Added, transaction: Transaction) -> None:
        transaction.write("insert into scaled values ($1)", event.amount * self.factor)

    @query
    async def total(self, connection: Connection) -> int:
        found = await connection.fetchval("select coalesce(sum(amount), 0)::bigint from scaled")
        return found if self.factor == Factors.amount else -1


class Answering(ProcessManager, name="answering"):
    @start(by="amount")
    def added(self, event: Added) -> Iterable[Command[Any]]:
        yield Note(counter="notes", text=f"{event.amount} was added")


DOMAIN = Domain("scaling", aggregates=[Counter], handlers=[Scaled, Answering], lifespan=factors)


async def test_they_run_as_objects_would(dsn: str) -> None:
    async with Runtime(DOMAIN, store=dsn) as runtime:
        await runtime.dispatch(Add(counter="a", amount=3), consistency="strong")
        assert await runtime.query("scaled", "total", {}) == 21

        async def noted() -> bool:
            found = await runtime.store.read_stream("counter-notes")
            return [runtime.decode(item) for item in found] == [Noted(text="3 was added")]

        await until(noted)
    async with Runtime(DOMAIN, store=dsn) as runtime:
        assert await runtime.query("scaled", "total", {}) == 21
