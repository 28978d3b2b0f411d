"""A small domain, and its API over the store in memory."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from chekov import (
    Aggregate,
    Command,
    Context,
    Domain,
    Event,
    EventHandler,
    Identifier,
    MemoryStore,
    Rejected,
    Runtime,
    apply,
    execute,
    handle,
)
from chekov.engine.subscriptions.keys import subscription_key
from chekov.errors import StoreUnavailable
from chekov.server import http
from chekov.server.authentication.authenticator import authenticating
from chekov.server.file_watch import FileWatch
from chekov.server.lifecycle import Lifecycle
from chekov.server.management import Management
from chekov.server.metrics import Metrics
from chekov.server.serve import most_in_flight, retry_policy
from chekov.server.settings import Settings
from chekov.server.tracing import CallersTrace

Client = TestClient[Request, Application]

ID = "0192f0c1-0000-7000-8000-000000000001"
OPEN = {"account_id": ID, "owner": "Ada"}


class AccountOpened(Event):
    owner: str


class MoneyDeposited(Event, name="money-deposited"):
    amount: int


class OpenAccount(Command[AccountOpened]):
    """Open an account."""

    account_id: Identifier[UUID]
    owner: str


class Deposit(Command[MoneyDeposited], name="deposit-money"):
    account_id: Identifier[UUID]
    amount: int


class Break(Command[MoneyDeposited]):
    account_id: Identifier[UUID]


class NotOpen(Rejected):
    """There is no such account."""


class Account(Aggregate, identity="account"):
    owner: str | None = None
    balance: int = 0

    @execute
    def open(self, command: OpenAccount) -> Iterable[AccountOpened]:
        if self.owner is not None:
            raise Rejected("the account is already open")
        yield AccountOpened(owner=command.owner)

    @execute
    def deposit(self, command: Deposit) -> Iterable[MoneyDeposited]:
        if self.owner is None:
            raise NotOpen
        if command.amount:
            yield MoneyDeposited(amount=command.amount)

    @execute
    def break_(self, command: Break) -> Iterable[MoneyDeposited]:
        del command
        raise ValueError("password=hunter2")

    @apply
    def opened(self, event: AccountOpened) -> None:
        self.owner = event.owner

    @apply
    def deposited(self, event: MoneyDeposited) -> None:
        self.balance += event.amount


class Welcome(EventHandler, name="welcome", consistency="strong"):
    """Waits until it is open, and fails if it is given a `failure`."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.failure = ""

    @handle
    async def opened(self, event: AccountOpened, context: Context) -> None:
        del event, context
        await self.open.wait()
        if self.failure:
            raise RuntimeError(self.failure)


class Store(MemoryStore):
    """Does not answer while it is away."""

    away = False

    async def ping(self) -> None:
        if self.away:
            raise StoreUnavailable("nobody answers")
        await super().ping()


@dataclass(frozen=True)
class Server:
    """A running server and what it is made of."""

    api: Client
    management: Client
    runtime: Runtime
    lifecycle: Lifecycle
    welcome: Welcome
    store: Store


@asynccontextmanager
async def running(
    *further: type[Aggregate],
    domain_options: Mapping[str, Any] = MappingProxyType({}),
    **environment: str,
) -> AsyncGenerator[Server]:
    settings = Settings.read(environment)
    welcome = Welcome()
    domain = Domain("shop", aggregates=[Account, *further], handlers=[welcome], **domain_options)
    metrics = Metrics(domain.commands, [subscription_key(domain, welcome)])
    lifecycle = Lifecycle()
    management = Management(
        domain, metrics, lifecycle, {"bundle": "shop"}, settings.management_token
    )
    store = Store()
    watch = FileWatch()
    async with (
        authenticating(settings, watch) as authenticator,
        TestClient(TestServer(management.application())) as probes,
        Runtime(
            domain,
            store=store,
            observers=[metrics, CallersTrace()],
            retry=retry_policy(settings),
            max_in_flight=most_in_flight(settings),
            max_recurring=settings.max_recurring,
        ) as runtime,
    ):
        management.runtime = runtime
        app = http.application(runtime, metrics, None, lifecycle, settings, authenticator)
        server = TestServer(app)
        await server.start_server(auto_decompress=False)
        async with TestClient(server) as api:
            lifecycle.serve()
            yield Server(api, probes, runtime, lifecycle, welcome, store)
            lifecycle.drain()
            welcome.open.set()


Serving = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture
def serving() -> Serving:
    """Starts a server for a block; its environment is given by name."""
    return running


async def fill(server: Server, deposits: int = 3) -> None:
    """Open the account and deposit 1, 2, … there."""
    await server.api.post("/commands/OpenAccount", json=OPEN)
    for amount in range(1, deposits + 1):
        body = {"account_id": ID, "amount": amount}
        assert (await server.api.post("/commands/deposit-money", json=body)).status == 200


async def slug(response: ClientResponse) -> tuple[int, str]:
    """The status of a problem, and the last part of its type."""
    return response.status, (await response.json())["type"].rpartition(":")[2]


async def problem(response: ClientResponse, status: int, slug: str) -> dict[str, object]:
    """The problem document of a response, checked for its status and type."""
    assert response.status == status
    assert response.content_type == "application/problem+json"
    document = await response.json()
    assert document["type"] == f"urn:chekov:problem:{slug}"
    assert document["status"] == status
    return document
