"""The keys of a domain's subscriptions: a first one per handler, one per partition."""

from collections.abc import Sequence
from dataclasses import replace

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.handler import EventHandler
from chekov.store.port import SubscriptionKey


def partition_keys(key: SubscriptionKey, partitions: int) -> Sequence[SubscriptionKey]:
    """The keys of all partitions of a subscription, of which `key` is one."""
    return [replace(key, partition=number) for number in range(partitions)]


def subscription_key(domain: Domain, handler: EventHandler) -> SubscriptionKey:
    """The key of the first partition, or the only one."""
    definition = definition_of(handler)
    return SubscriptionKey(domain.name, definition.name, definition.version)
