"""The names of a domain's parts, for `/manifest` and `chekov check`."""

from typing import TypedDict

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.handler import EventHandler
from chekov.engine.subscriptions.handler_routes import HandlerRoutes
from chekov.engine.subscriptions.kinds import kind_of
from chekov.serialization.codec import Codec


class SubscriptionEntry(TypedDict):
    name: str
    kind: str
    version: int


class Manifest(TypedDict):
    domain: str
    aggregates: list[str]
    commands: list[str]
    events: list[str]
    handled: list[str]
    subscriptions: list[SubscriptionEntry]


def manifest(domain: Domain) -> Manifest:
    return Manifest(
        domain=domain.name,
        aggregates=[definition_of(item).identity for item in domain.aggregates],
        commands=sorted(domain.commands),
        events=sorted(domain.events),
        handled=_handled(domain),
        subscriptions=[_subscription(item) for item in domain.handlers],
    )


def _handled(domain: Domain) -> list[str]:
    """The stored names of the events that any handler takes."""
    codec = Codec(domain)
    routes = [HandlerRoutes(handler, codec) for handler in domain.handlers]
    return sorted({name for each in routes for name in each.decided})


def _subscription(handler: EventHandler) -> SubscriptionEntry:
    definition = definition_of(handler)
    return SubscriptionEntry(
        name=definition.name,
        kind=kind_of(handler).kind,
        version=definition.version,
    )
