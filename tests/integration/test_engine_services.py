"""What handlers are given on Postgres: services, the identifier of an instance, and commands."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from chekov import (
    Aggregate,
    Command,
    Connection,
    Context,
    Domain,
    Event,
    EventHandler,
    HandlerFailed,
    Identifier,
    ProcessManager,
    Projection,
    Retry,
    Runtime,
    Transaction,
    apply,
    execute,
    handle,
    query,
    start,
)
from tests.unit.engine.counter_domain import Add, Added, Counter, Note, Noted
from tests.waiting import passed, until


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


class Opened(Event):
    owner: str


class Open(Command[Opened]):
    account: Identifier[UUID]
    owner: str


class Account(Aggregate, identity="account"):
    @execute
    def open(self, command: Open) -> Iterable[Opened]:
        yield Opened(owner=command.owner)

    @apply
    def opened(self, event: Opened) -> None:
        pass


class Owners(Projection, name="owners"):
    tables = "create table owners (account uuid, owner text)"

    @handle
    async def opened(self, event: Opened, transaction: Transaction) -> None:
        if event.owner == "nobody":
            await transaction.dispatch(Open(account=uuid4(), owner="somebody"))
        transaction.write("insert into owners values ($1, $2)", transaction.identifier, event.owner)

    @query
    async def accounts(self, connection: Connection) -> list[UUID]:
        return [row["account"] for row in await connection.fetch("select account from owners")]


async def test_a_projection_has_the_identifier_and_dispatches_nothing(dsn: str) -> None:
    domain = Domain("accounts", aggregates=[Account], handlers=[Owners])
    account = uuid4()
    async with Runtime(domain, store=dsn, retry=Retry(attempts=1)) as runtime:
        await runtime.dispatch(Open(account=account, owner="Ada"), consistency="strong")
        with pytest.raises(HandlerFailed):
            await runtime.dispatch(Open(account=uuid4(), owner="nobody"), consistency="strong")
        (parked,) = await runtime.parked("owners")
        assert "Owners has 1 fault:" in parked.error
        assert "it dispatches Open: a projection only writes its tables" in parked.error
        assert await runtime.query("owners", "accounts", {}) == [account]


class Following(EventHandler, name="following"):
    """Opens an account after each, then hangs as a process does that is about to be killed."""

    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs
        self.dispatched = asyncio.Event()

    @handle
    async def opened(self, event: Opened, context: Context) -> None:
        if event.owner == "Ada":
            await context.dispatch(Open(account=uuid5(context.id, "next"), owner="Bob"))
            self.dispatched.set()
        if self.hangs:
            await asyncio.get_running_loop().create_future()


async def test_a_crash_between_a_command_and_the_checkpoint_repeats_nothing(dsn: str) -> None:
    hanging = Following(hangs=True)
    domain = Domain("accounts", aggregates=[Account], handlers=[hanging])

    async def run() -> None:
        async with Runtime(domain, store=dsn) as runtime:
            await runtime.dispatch(Open(account=uuid4(), owner="Ada"))
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(run())
    await hanging.dispatched.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    again = Following(hangs=False)
    domain = Domain("accounts", aggregates=[Account], handlers=[again])
    async with Runtime(domain, store=dsn) as runtime:
        await again.dispatched.wait()
        await passed(runtime, 2)
        owners = [runtime.decode(item) async for item in runtime.store.read_all()]
    assert owners == [Opened(owner="Ada"), Opened(owner="Bob")]
