"""The names of a domain's parts, for `/manifest` and `chekov check`."""

from typing import TypedDict

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.handler import EventHandler
from chekov.engine.subscriptions.kinds import kind_of


class SubscriptionEntry(TypedDict):
    name: str
    kind: str
    version: int


class Manifest(TypedDict):
    domain: str
    aggregates: list[str]
    commands: list[str]
    events: list[str]
    subscriptions: list[SubscriptionEntry]


def manifest(domain: Domain) -> Manifest:
    return Manifest(
        domain=domain.name,
        aggregates=[definition_of(item).identity for item in domain.aggregates],
        commands=sorted(domain.commands),
        events=sorted(domain.events),
        subscriptions=[_subscription(item) for item in domain.handlers],
    )


def _subscription(handler: EventHandler) -> SubscriptionEntry:
    definition = definition_of(handler)
    return SubscriptionEntry(
        name=definition.name,
        kind=kind_of(handler).kind,
        version=definition.version,
    )
