"""A small domain, and its API over the store in memory."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
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
    definition_of,
    execute,
    handle,
)
from chekov.errors import StoreUnavailable
from chekov.server import http
from chekov.server.lifecycle import Lifecycle
from chekov.server.management import Management
from chekov.server.metrics import Metrics
from chekov.server.serve import retry_policy
from chekov.server.settings import Settings
from chekov.server.tracing import CallersTrace

Client = TestClient[Request, Application]


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


class Welcome(EventHandler, name="welcome"):
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
    *, domain_options: Mapping[str, Any] = MappingProxyType({}), **environment: str
) -> AsyncGenerator[Server]:
    settings = Settings.read(environment)
    welcome = Welcome()
    domain = Domain("shop", aggregates=[Account], handlers=[welcome], **domain_options)
    metrics = Metrics(domain.commands, [definition_of(welcome).name])
    lifecycle = Lifecycle()
    management = Management(
        domain, metrics, lifecycle, {"bundle": "shop"}, settings.management_token
    )
    store = Store()
    async with (
        TestClient(TestServer(management.application())) as probes,
        Runtime(
            domain,
            store=store,
            observers=[metrics, CallersTrace()],
            retry=retry_policy(settings),
        ) as runtime,
    ):
        management.runtime = runtime
        app = http.application(runtime, metrics, None, lifecycle, settings)
        async with TestClient(TestServer(app)) as api:
            lifecycle.serve()
            yield Server(api, probes, runtime, lifecycle, welcome, store)
            lifecycle.drain()
            welcome.open.set()


Serving = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture
def serving() -> Serving:
    """Starts a server for a block; its environment is given by name."""
    return running
