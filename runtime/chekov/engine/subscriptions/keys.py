"""The keys of a domain's subscriptions: one per handler and partition."""

from collections.abc import Sequence
from dataclasses import replace

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.handler import EventHandler
from chekov.domain.handler_definition import HandlerDefinition
from chekov.store.port import SubscriptionKey


def subscription_keys(domain: Domain, definition: HandlerDefinition) -> Sequence[SubscriptionKey]:
    """A key for each partition of a handler that is defined like this."""
    return partition_keys(
        SubscriptionKey(domain.name, definition.name, definition.version), definition.partitions
    )


def partition_keys(key: SubscriptionKey, partitions: int) -> Sequence[SubscriptionKey]:
    """The keys of all partitions of a subscription, of which `key` is one."""
    return [replace(key, partition=number) for number in range(partitions)]


def subscription_key(domain: Domain, handler: EventHandler) -> SubscriptionKey:
    """The key of the first partition, or the only one."""
    definition = definition_of(handler)
    return SubscriptionKey(domain.name, definition.name, definition.version)
