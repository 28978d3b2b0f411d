"""A domain whose events were recorded under former names, and a history of them."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from chekov import (
    Aggregate,
    Command,
    Context,
    Domain,
    Event,
    EventHandler,
    Identifier,
    MemoryStore,
    Origin,
    Runtime,
    Upcaster,
    apply,
    execute,
    handle,
    upcast,
)
from chekov.domain.failure import Retry
from chekov.store.port import NewEvent
from chekov.uuid7 import uuid7


class Opened(Event, name="opened", aliases=("account_opened",), revision=2):
    name: str
    currency: str


class Paid(Event, name="paid"):
    amount: int


class Charged(Event, name="charged"):
    amount: int


class Open(Command[Opened]):
    account: Identifier[str]
    name: str


class Account(Aggregate, identity="account"):
    name: str = ""
    currency: str = ""
    balance: int = 0

    @execute
    def open(self, command: Open) -> Iterable[Opened]:
        yield Opened(name=command.name, currency="USD")

    @apply
    def opened(self, event: Opened) -> None:
        self.name, self.currency = event.name, event.currency

    @apply
    def moved(self, event: Paid | Charged) -> None:
        self.balance += event.amount if isinstance(event, Paid) else -event.amount


@upcast("opened", to=Opened)
def with_currency(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    if "owner" not in data:
        raise LookupError(f"no owner at {origin.position}")
    return {"name": data["owner"], "currency": origin.metadata.get("currency", "EUR")}


@upcast("paid-less-fee", to=(Paid, "fee"))
def split(data: dict[str, Any], origin: Origin) -> Iterable[tuple[type[Event] | str, Any]]:
    del origin
    yield Paid, {"amount": data["amount"]}
    yield "fee", {"fee": data["fee"]}


@upcast("fee", to=Charged)
def fee(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    del origin
    return {"amount": data["fee"]}


@upcast("looked-at", to=())
def dropped(data: dict[str, Any], origin: Origin) -> Iterable[tuple[str, dict[str, Any]]]:
    del data, origin
    return ()


UPCASTERS: tuple[Upcaster[Any], ...] = (with_currency, split, fee, dropped)


class Seen(EventHandler, name="seen", consistency="strong"):
    """Remembers what it was given, and fails as often as it is told to on an amount."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.contexts: list[Context] = []
        self.failing: dict[int, int] = {}

    @handle
    async def opened(self, event: Opened, context: Context) -> None:
        self.events.append(event)
        self.contexts.append(context)

    @handle
    async def charged(self, event: Paid | Charged, context: Context) -> None:
        self.events.append(event)
        self.contexts.append(context)
        left = self.failing.get(event.amount, 0)
        if left:
            self.failing[event.amount] = left - 1
            raise RuntimeError(f"no {event.amount} please")


class SeenFees(EventHandler, name="fees", consistency="strong"):
    def __init__(self) -> None:
        self.contexts: list[Context] = []

    @handle
    async def charged(self, event: Charged, context: Context) -> None:
        del event
        self.contexts.append(context)


class StoppingSeen(Seen, name="seen", on_failure="stop"):
    pass


@asynccontextmanager
async def running(
    *events: tuple[str, bytes],
    handlers: tuple[EventHandler, ...] = (),
    apart: bool = False,
    **options: Any,
) -> AsyncGenerator[tuple[Runtime, MemoryStore]]:
    """A runtime over a store where some events are in the stream `account-a` already.

    With `apart`, each has a stream of its own.
    """
    store = MemoryStore()
    domain = Domain("bank", aggregates=[Account], handlers=handlers, upcasters=UPCASTERS, **options)
    async with store:
        for number, (type_, data) in enumerate(events):
            stream = f"account-{number}" if apart else "account-a"
            metadata = b'{"currency": "CHF"}' if type_ == "opened" else None
            await store.append(stream, [NewEvent(uuid7(), type_, data, metadata)])
        retry = Retry(attempts=2, first=0.001)
        async with Runtime(domain, store=store, lease=0.1, retry=retry) as runtime:
            yield runtime, store


HISTORY = (
    ("opened", b'{"owner": "Ada"}'),
    ("looked-at", b"{}"),
    ("paid-less-fee", b'{"amount": 10, "fee": 3}'),
    ("account_opened", b'{"name": "Bea", "currency": "SEK"}'),
    ("fee", b'{"fee": 1}'),
    ("opened@2", b'{"name": "Cleo", "currency": "NOK"}'),
)
EVENTS = [
    Opened(name="Ada", currency="CHF"),
    Paid(amount=10),
    Charged(amount=3),
    Opened(name="Bea", currency="SEK"),
    Charged(amount=1),
    Opened(name="Cleo", currency="NOK"),
]


BROKEN = (
    ("opened", b'{"name": "an upcaster raises"}'),
    ("opened", b"[]"),
    ("paid-less-fee", b'{"amount": 10, "fee": "much"}'),
    ("paid-less-fee", b'{"amount": 10}'),
    ("opened@2", b'{"name": 3, "currency": "EUR"}'),
    ("paid", b"\xff\xfe"),
)
