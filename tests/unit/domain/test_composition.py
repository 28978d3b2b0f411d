"""A domain may be composed of others, which must not contradict each other."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from chekov import (
    Aggregate,
    Command,
    CommandHandler,
    CommandHooks,
    Context,
    DefinitionError,
    Domain,
    Event,
    EventHandler,
    Identifier,
    MemoryStore,
    MessagePack,
    Origin,
    Runtime,
    Upcaster,
    apply,
    execute,
    handle,
)
from tests.waiting import until


class Ordered(Event, revision=2):
    item: str


class Order(Command[Ordered]):
    order: Identifier[str]
    item: str


class Orders(Aggregate, identity="order"):
    item: str | None = None

    @execute
    def order(self, command: Order) -> Iterable[Ordered]:
        yield Ordered(item=command.item)

    @apply
    def ordered(self, event: Ordered) -> None:
        self.item = event.item


class Stocked(Event):
    count: int


class Stock(Command[Stocked]):
    item: Identifier[str]
    count: int


class Shelf(Aggregate, identity="shelf"):
    @apply
    def stocked(self, event: Stocked) -> None:
        pass


class Counting(CommandHandler):
    @execute
    async def stock(self, command: Stock, shelf: Shelf) -> Iterable[Stocked]:
        return [Stocked(count=command.count)]


class Notes(EventHandler, name="notes"):
    def __init__(self, services: list[str]) -> None:
        self.services = services

    @handle
    async def ordered(self, event: Ordered, context: Context) -> None:
        self.services.append(event.item)


class Letters(EventHandler, name="letters"):
    def __init__(self, services: list[str]) -> None:
        self.services = services

    @handle
    async def stocked(self, event: Stocked, context: Context) -> None:
        self.services.append(str(event.count))


def old_order(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return {"item": data["name"]}


OPENED: list[str] = []
NOTES: list[str] = []
LETTERS: list[str] = []


@asynccontextmanager
async def with_notes() -> AsyncGenerator[list[str]]:
    OPENED.append("notes")
    yield NOTES


@asynccontextmanager
async def with_letters() -> AsyncGenerator[list[str]]:
    OPENED.append("letters")
    yield LETTERS


ORDERS = Domain("orders", aggregates=[Orders], handlers=[Notes], lifespan=with_notes)
STOCK = Domain(
    "stock",
    aggregates=[Shelf],
    handlers=[Letters],
    command_handlers=[Counting],
    lifespan=with_letters,
)


def faults(name: str = "shop", **parts: Any) -> str:
    with pytest.raises(DefinitionError) as refused:
        Domain(name, **parts)
    return "\n".join(refused.value.faults)


async def test_a_composed_domain_has_everything_and_each_handler_its_services() -> None:
    for heard in (OPENED, NOTES, LETTERS):
        heard.clear()
    shop = Domain("shop", include=[ORDERS, STOCK])
    async with Runtime(shop, store=MemoryStore()) as runtime:
        await runtime.dispatch(Order(order="1", item="pen"))
        await runtime.dispatch(Stock(item="pen", count=3))
        await until(lambda: NOTES and LETTERS)
        assert {status.name for status in runtime.subscriptions.values()} == {"notes", "letters"}
        assert {key.domain for key in runtime.subscriptions} == {"shop"}
    assert (NOTES, LETTERS) == (["pen"], ["3"])
    assert sorted(OPENED) == ["letters", "notes"]


def test_a_domain_that_two_others_include_is_there_once() -> None:
    one = Domain("one", include=[ORDERS])
    two = Domain("two", include=[ORDERS, STOCK])
    shop = Domain("shop", include=[one, two])
    assert shop.aggregates == (Orders, Shelf)
    assert [type(item) for item in shop.handlers] == [Notes, Letters]
    assert len(shop.made) == 3
    assert shop.with_lifespan(with_notes).lifespan is with_notes


def test_upcasters_come_along() -> None:
    orders = Domain(
        "orders", aggregates=[Orders], upcasters=[Upcaster(old_order, "Ordered", Ordered)]
    )
    assert "Ordered" in Domain("shop", include=[orders]).upcasting


def test_two_places_with_one_identity_are_both_named() -> None:
    class Other(Aggregate, identity="order"):
        @execute
        def order(self, command: Order) -> Iterable[Ordered]:
            yield Ordered(item=command.item)

        @apply
        def ordered(self, event: Ordered) -> None:
            pass

    other = Domain("other", aggregates=[Other])
    found = faults(include=[ORDERS, other])
    place = f"{__name__}.Orders of the included domain 'orders'"
    assert f"{place} and {__name__}.{Other.__qualname__} of the included domain 'other'" in found
    assert "share the identity 'order': rename one" in found
    assert f"Order is executed by {place} and by" in found
    assert "share the identity 'order'" in faults(aggregates=[Other], include=[ORDERS])


def test_two_handlers_of_one_name_are_both_named() -> None:
    class Notes(EventHandler, name="notes"):
        @handle
        async def stocked(self, event: Stocked, context: Context) -> None: ...

    found = faults(aggregates=[Shelf], handlers=[Notes()], include=[ORDERS])
    assert "Notes of the included domain 'orders' share the handler name 'notes'" in found


def test_what_would_concern_others_is_refused() -> None:
    watched = Domain("watched", aggregates=[Shelf], middleware=[CommandHooks()])
    found = faults(include=[ORDERS, watched])
    assert "the domain 'watched' has middleware, which would concern the commands of" in found
    assert "give middleware= to 'shop' instead" in found


def test_settings_that_contradict_are_refused() -> None:
    packed = Domain("packed", aggregates=[Shelf], serializer=MessagePack(), record_principal=False)
    found = faults(include=[packed])
    assert "'packed' has the serializer 'messagepack', and 'shop' has JSON, the default" in found
    assert "'packed' has record_principal=False, and 'shop' has True" in found
    assert Domain("shop", serializer=MessagePack(), record_principal=False, include=[packed])


def test_what_is_no_domain_is_refused() -> None:
    assert "include: 'orders' is not a Domain" in faults(
        aggregates=[Shelf], include=cast("Any", ["orders"])
    )
