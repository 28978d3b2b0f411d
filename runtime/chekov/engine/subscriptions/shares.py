"""Which node runs which subscription: the same answer in every process that knows the same.

Each node computes the whole assignment, gives up what belongs to another, and claims only its own:
so there is no leader, and nothing to agree on. Where two processes know different things for a
moment, a subscription waits for that long, and the epoch of its claim keeps it from running twice.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from chekov.store.port import SubscriptionKey


class Member(NamedTuple):
    """A living node.

    Attributes:
        id: as the owner of claims.
        offers: what it can run, as `offer_of` says it.
    """

    id: str
    offers: Collection[str]


def offer_of(key: SubscriptionKey) -> str:
    """What a node must offer to run a subscription: the handler, in the version that it has."""
    return f"{key.name} {key.version}"


def assign(
    owners: Mapping[SubscriptionKey, str | None], members: Sequence[Member]
) -> Mapping[SubscriptionKey, str]:
    """Share subscriptions fairly among the nodes that can run them.

    No node gets more than its part, rounded up, unless it alone can run them; and what has an owner
    stays there as far as that allows.

    Args:
        owners: the owner of each subscription; `None`, or one that is no member, if it has none.
        members: the living nodes, in an order that all of them agree on.
    """
    able: dict[SubscriptionKey, list[str]] = {}
    for key in sorted(owners, key=_order):
        offer = offer_of(key)
        ids = [member.id for member in members if offer in member.offers]
        if ids:
            able[key] = ids
    assigned: dict[SubscriptionKey, str] = {}
    load = dict.fromkeys((member.id for member in members), 0)

    def give(key: SubscriptionKey, node: str) -> None:
        assigned[key] = node
        load[node] += 1

    for key, ids in able.items():
        if len(ids) == 1:
            give(key, ids[0])
    parts = _parts(able, owners, members)
    for key, ids in able.items():
        owner = owners[key]
        if key not in assigned and owner in ids and load[owner] < parts[owner]:
            give(key, owner)
    for key, ids in able.items():
        if key not in assigned:
            give(key, min(ids, key=load.__getitem__))
    return assigned


def _parts(
    keys: Collection[SubscriptionKey],
    owners: Mapping[SubscriptionKey, str | None],
    members: Sequence[Member],
) -> Mapping[str, int]:
    """How many subscriptions each node may keep: those that have most keep what is left over."""
    if not members:
        return {}
    part, rest = divmod(len(keys), len(members))
    held = dict.fromkeys((member.id for member in members), 0)
    for key in keys:
        owner = owners[key]
        if owner in held:
            held[owner] += 1
    first = sorted(held, key=lambda node: -held[node])[:rest]
    return {node: part + (node in first) for node in held}


def _order(key: SubscriptionKey) -> tuple[str, int, int, int]:
    return key.name, key.version, key.partition, key.generation
