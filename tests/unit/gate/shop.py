"""A shop whose releases differ in one thing each, and stores that they left something in."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from chekov import (
    Aggregate,
    Command,
    Context,
    Domain,
    Event,
    EventHandler,
    Identifier,
    MemoryStore,
    ProcessManager,
    Timer,
    apply,
    execute,
    expired,
    handle,
    proceed,
    start,
)
from chekov.gate.gate import SampleSize, run_gate
from chekov.gate.report import Finding, Report
from chekov.server.manifest import manifest
from chekov.store.port import NewEvent, Store

SMALL = SampleSize()

SECRET = "s3cret-value"
"""No report may hold it."""


class Ordered(Event, name="ordered"):
    item: str
    amount: int


class Shipped(Event, name="shipped"):
    by: str


class Order(Command[Ordered]):
    order: Identifier[str]
    item: str
    amount: int


class Ship(Command[Shipped]):
    order: Identifier[str]
    by: str


class Late(Timer):
    days: int


class Basket(Aggregate, identity="order", snapshot_every=2):
    items: int = 0

    @execute
    def order(self, command: Order) -> Iterable[Ordered]:
        yield Ordered(item=command.item, amount=command.amount)

    @execute
    def ship(self, command: Ship) -> Iterable[Shipped]:
        yield Shipped(by=command.by)

    @apply
    def ordered(self, event: Ordered) -> None:
        self.items += event.amount

    @apply
    def shipped(self, event: Shipped) -> None:
        self.items = 0


class Delivery(ProcessManager, name="delivery"):
    step: str = ""
    tries: int = 0

    @start(by="item")
    def ordered(self, event: Ordered) -> Iterable[Command[Any]]:
        self.step = "shipping"
        yield Ship(order=event.item, by="post")

    @proceed(by="by")
    def shipped(self, event: Shipped) -> None:
        self.tries += 1

    @expired
    def late(self, timer: Late) -> None:
        self.tries += timer.days


class Mails(EventHandler, name="mails"):
    @handle
    async def ordered(self, event: Ordered, context: Context) -> None: ...


def shop(
    *,
    aggregates: Sequence[type[Aggregate]] = (Basket,),
    handlers: Sequence[EventHandler | type[EventHandler]] = (Delivery, Mails),
    name: str = "shop",
    **options: Any,
) -> Domain:
    return Domain(name, aggregates=aggregates, handlers=handlers, **options)


RUNNING = manifest(shop())


async def store_with(*events: tuple[str, str, Mapping[str, Any]]) -> MemoryStore:
    """A store with events: stream, stored name and content of each."""
    store = MemoryStore()
    async with store:
        await put(store, *events)
    return store


async def put(store: Store, *events: tuple[str, str, Mapping[str, Any]]) -> None:
    for stream, name, content in events:
        await store.append(stream, [NewEvent(uuid4(), name, json.dumps(content).encode())])


ORDERED = ("order-1", "ordered", {"item": SECRET, "amount": 1})
SHIPPED = ("order-1", "shipped", {"by": SECRET})


async def gated(
    store: Store,
    domain: Domain | None = None,
    *,
    running: Mapping[str, Any] = RUNNING,
    size: SampleSize = SMALL,
) -> Report:
    """The report about a domain, by default the shop itself; no value is in it."""
    domain = domain or shop()
    async with store:
        report = await run_gate(domain, store, manifest(domain), running=running, size=size)
    assert SECRET not in repr(report)
    return report


def only(report: Report) -> Finding:
    """The one error of a report."""
    assert report.compatibility == "Incompatible"
    [finding] = report.of("error")
    assert report.reason == finding.rule
    return finding
