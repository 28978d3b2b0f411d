"""Which node runs which subscription: the same answer in every process that knows the same.

Each node computes the whole assignment, gives up what belongs to another, and claims only its own:
so there is no leader, and nothing to agree on. Where two processes know different things for a
moment, a subscription waits for that long, and the epoch of its claim keeps it from running twice.

While releases follow each other, subscriptions are shared among the nodes of the newest one: older
ones cannot read what it stores, and pass over events that only its handlers take.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from chekov.domain.partitioning import BY_STREAM
from chekov.serialization.revisions import Revisions
from chekov.store.port import SubscriptionKey

_READS: Final = "reads "
_KEEPS: Final = "keeps "
_BY: Final = " by "
_ALL_BY_STREAM: Final[Mapping[SubscriptionKey, str]] = MappingProxyType({})


class Member(NamedTuple):
    """A living node.

    Attributes:
        id: as the owner of claims.
        offers: what it can run, as `offer_of` says it, which events it can read, as
            `revision_offers` does, and whose streams it writes, as `identity_offers` does.
    """

    id: str
    offers: Collection[str]


def offer_of(key: SubscriptionKey, keyed_by: str = BY_STREAM) -> str:
    """What a node must offer to run a subscription: the handler, in its version, with its keys."""
    handler = f"{key.name} {key.version}"
    return handler if keyed_by == BY_STREAM else f"{handler}{_BY}{keyed_by}"


def keys_offered(key: SubscriptionKey, member: Member) -> str | None:
    """What a node divides a subscription by; `None` if it does not run it."""
    handler = offer_of(key)
    if handler in member.offers:
        return BY_STREAM
    return _keys_by_handler(frozenset(member.offers)).get(handler)


@lru_cache(maxsize=64)
def _keys_by_handler(offers: frozenset[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for offer in offers:
        handler, mark, keyed_by = offer.partition(_BY)
        if mark and " " not in keyed_by:
            found[handler] = keyed_by
    return found


def revision_offers(revisions: Revisions) -> frozenset[str]:
    """What a node offers to say which events it can read."""
    return frozenset(f"{_READS}{name}" for name in revisions.names)


def identity_offers(identities: Iterable[str]) -> frozenset[str]:
    """What a node offers to say whose aggregates' streams its domain writes."""
    return frozenset(f"{_KEEPS}{identity}" for identity in identities)


def identities_of(offers: Iterable[str]) -> frozenset[str]:
    """The identities of aggregates that a node says its domain has."""
    return frozenset(item.removeprefix(_KEEPS) for item in offers if item.startswith(_KEEPS))


def older_than(own: Member, members: Iterable[Member]) -> Collection[str]:
    """The ids of those that cannot read all that one of them can."""
    reads = _revisions_of(frozenset(own.offers))
    return {item.id for item in members if _revisions_of(frozenset(item.offers)).lack(reads)}


def assign(
    owners: Mapping[SubscriptionKey, str | None],
    members: Sequence[Member],
    *,
    keyed_by: Mapping[SubscriptionKey, str] = _ALL_BY_STREAM,
) -> Mapping[SubscriptionKey, str]:
    """Share subscriptions fairly among the nodes that can run them.

    No node gets more than its part, rounded up, unless it alone can run them; and what has an owner
    stays there as far as that allows. Of the nodes that can run one, only those of the newest
    release get it.

    Args:
        owners: the owner of each subscription; `None`, or one that is no member, if it has none.
        members: the living nodes, in an order that all of them agree on.
        keyed_by: what the partitions of each subscription are divided by; their streams if it is
            left out.
    """
    able = _able({key: offer_of(key, keyed_by.get(key, BY_STREAM)) for key in owners}, members)
    assigned: dict[SubscriptionKey, str] = {}
    load = dict.fromkeys((member.id for member in members), 0)

    def give(key: SubscriptionKey, node: str) -> None:
        assigned[key] = node
        load[node] += 1

    for key, ids in able.items():
        if len(ids) == 1:
            give(key, ids[0])
    busy = {node for ids in able.values() for node in ids}
    parts = _parts(able, owners, [member for member in members if member.id in busy])
    for key, ids in able.items():
        owner = owners[key]
        if key not in assigned and owner in ids and load[owner] < parts[owner]:
            give(key, owner)
    for key, ids in able.items():
        if key not in assigned:
            give(key, min(ids, key=load.__getitem__))
    return assigned


def _able(
    offers: Mapping[SubscriptionKey, str], members: Sequence[Member]
) -> Mapping[SubscriptionKey, list[str]]:
    """The nodes that may get each subscription that any can run, by the offer that it needs."""
    ids = {
        offer: _newest([item for item in members if offer in item.offers])
        for offer in set(offers.values())
    }
    return {key: found for key in sorted(offers, key=_order) if (found := ids[offers[key]])}


def _newest(members: Sequence[Member]) -> list[str]:
    """The members that read all that the newest of them reads.

    Of two that each read something that the other does not, the one that joined later is newer.
    """
    if not members or all(item.offers == members[0].offers for item in members):
        return [member.id for member in members]
    known = {member.id: _revisions_of(frozenset(member.offers)) for member in members}
    newest = known[members[0].id]
    for revisions in known.values():
        if revisions is not newest and newest.lack(revisions):
            newest = revisions
    return [node for node, own in known.items() if own is newest or not own.lack(newest)]


@lru_cache(maxsize=64)
def _revisions_of(offers: frozenset[str]) -> Revisions:
    # Cached, since each round of each node asks for the same few while releases follow each other.
    return Revisions(offer.removeprefix(_READS) for offer in offers if offer.startswith(_READS))


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
