"""Two releases of one domain: the newer one stores a revision that the older one cannot read."""

from collections.abc import Iterable
from typing import Any

from chekov import (
    Aggregate,
    Command,
    Context,
    Domain,
    Event,
    EventHandler,
    Identifier,
    Origin,
    ProcessManager,
    apply,
    execute,
    handle,
    start,
    upcast,
)


class Paid(Event, name="paid"):
    shop: str
    cents: int


class PaidInCurrency(Event, name="paid", revision=2):
    shop: str
    cents: int
    currency: str


class Rated(Event, name="rated"):
    stars: int


class Thanked(Event, name="thanked"):
    cents: int


class Pay(Command[Paid], name="Pay"):
    shop: Identifier[str]
    cents: int


class PayInCurrency(Command[PaidInCurrency], name="Pay"):
    shop: Identifier[str]
    cents: int


class Rate(Command[Rated]):
    shop: Identifier[str]
    stars: int


class Thank(Command[Thanked]):
    letter: Identifier[str]
    cents: int


class Letter(Aggregate, identity="letter"):
    @execute
    def thank(self, command: Thank) -> Iterable[Thanked]:
        yield Thanked(cents=command.cents)

    @apply
    def thanked(self, event: Thanked) -> None:
        pass


class OldShop(Aggregate, identity="shop"):
    @execute
    def pay(self, command: Pay) -> Iterable[Paid]:
        yield Paid(shop=command.shop, cents=command.cents)

    @apply
    def paid(self, event: Paid) -> None:
        pass


class NewShop(Aggregate, identity="shop"):
    @execute
    def pay(self, command: PayInCurrency) -> Iterable[PaidInCurrency]:
        yield PaidInCurrency(shop=command.shop, cents=command.cents, currency="EUR")

    @execute
    def rate(self, command: Rate) -> Iterable[Rated]:
        yield Rated(stars=command.stars)

    @apply
    def changed(self, event: PaidInCurrency | Rated) -> None:
        pass


class OldSeen(EventHandler, name="seen", on_failure="stop"):
    def __init__(self, seen: list[int]) -> None:
        self.seen = seen

    @handle
    async def paid(self, event: Paid, context: Context) -> None:
        self.seen.append(event.cents)


class NewSeen(EventHandler, name="seen", on_failure="stop"):
    def __init__(self, seen: list[int]) -> None:
        self.seen = seen

    @handle
    async def paid(self, event: PaidInCurrency, context: Context) -> None:
        self.seen.append(event.cents)

    @handle
    async def rated(self, event: Rated, context: Context) -> None:
        self.seen.append(-event.stars)


class OldThanks(ProcessManager, name="thanks", start_from="origin"):
    @start(by="shop")
    def paid(self, event: Paid) -> Iterable[Thank]:
        yield Thank(letter=event.shop, cents=event.cents)


class NewThanks(ProcessManager, name="thanks", start_from="origin"):
    @start(by="shop")
    def paid(self, event: PaidInCurrency) -> Iterable[Thank]:
        yield Thank(letter=event.shop, cents=event.cents)


@upcast("paid", to=PaidInCurrency)
def in_currency(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    del origin
    return {**data, "currency": "EUR"}


def old_release(*handlers: EventHandler) -> Domain:
    return Domain("trade", aggregates=[OldShop, Letter], handlers=[OldThanks(), *handlers])


def new_release(*handlers: EventHandler) -> Domain:
    return Domain(
        "trade",
        aggregates=[NewShop, Letter],
        handlers=[NewThanks(), *handlers],
        upcasters=[in_currency],
    )
