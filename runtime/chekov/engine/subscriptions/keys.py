"""The keys of a domain's subscriptions: one per handler and partition."""

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.handler import EventHandler
from chekov.store.port import SubscriptionKey


def subscription_key(domain: Domain, handler: EventHandler) -> SubscriptionKey:
    definition = definition_of(handler)
    return SubscriptionKey(domain.name, definition.name, definition.version)
