"""The keys of a domain's subscriptions: one per handler and partition."""

from collections.abc import Sequence
from dataclasses import replace

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.handler import EventHandler
from chekov.store.port import SubscriptionKey


def subscription_keys(domain: Domain, handler: EventHandler) -> Sequence[SubscriptionKey]:
    """A key for each partition."""
    key = subscription_key(domain, handler)
    return [replace(key, partition=number) for number in range(definition_of(handler).partitions)]


def subscription_key(domain: Domain, handler: EventHandler) -> SubscriptionKey:
    """The key of the first partition, or the only one."""
    definition = definition_of(handler)
    return SubscriptionKey(domain.name, definition.name, definition.version)
