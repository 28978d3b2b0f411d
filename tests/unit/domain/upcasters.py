"""A domain whose events were renamed and changed."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from chekov import (
    Aggregate,
    Domain,
    Event,
    Origin,
    apply,
    upcast,
)

ORIGIN = Origin(
    type="first",
    stream="account-1",
    version=3,
    position=9,
    time=datetime(2024, 1, 1, tzinfo=UTC),
    metadata={},
)


class Opened(Event, name="opened", aliases=("account_opened", "begun"), revision=3):
    owner: str
    currency: str = "EUR"


class Closed(Event, name="closed"):
    pass


class Account(Aggregate, identity="account"):
    @apply
    def opened(self, event: Opened) -> None:
        del event

    @apply
    def closed(self, event: Closed) -> None:
        del event


@upcast("opened", to="opened@2")
def named(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return {"owner": f"{data['name']} of {origin.stream}"}


@upcast("opened@2", to=Opened)
def with_currency(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return {**data, "currency": "USD"}


@upcast("moved", to=(Closed, "opened"))
def moved(data: dict[str, Any], origin: Origin) -> Iterable[tuple[str | type[Event], Any]]:
    yield Closed, {}
    yield "opened", {"name": data["to"]}


@upcast("noise", to=())
def dropped(data: dict[str, Any], origin: Origin) -> Iterable[tuple[str, dict[str, Any]]]:
    return ()


ALL = (named, with_currency, moved, dropped)


def raising(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    return {"owner": data["nobody"]}


def bank(*upcasters: Any, events: type[Aggregate] = Account) -> Callable[[], Domain]:
    return lambda: Domain("bank", aggregates=[events], upcasters=upcasters)
