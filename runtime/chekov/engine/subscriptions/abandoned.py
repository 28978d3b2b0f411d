"""Subscriptions and read models that no process runs any more: listed, and removed on request."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chekov.domain.definitions import definition_of
from chekov.domain.handler import EventHandler
from chekov.engine.subscriptions.shares import Member, keys_offered
from chekov.errors import ChekovError, UnknownSubscription
from chekov.store.port import Generation, Store, SubscriptionKey, SubscriptionRow

_LEASE: Final = 60.0
"""Seconds for which a process counts after it was last heard of, unless it has left."""


class SubscriptionInUse(ChekovError):
    """A subscription cannot be removed: processes run its handler.

    Attributes:
        name: of the subscription.
        version: of its handler.
        nodes: the processes; empty if it is this one, which has the handler and does not run it.
    """

    def __init__(self, name: str, version: int, nodes: Collection[str]) -> None:
        self.name, self.version, self.nodes = name, version, tuple(nodes)
        used = f"run by {', '.join(nodes)}" if nodes else "part of the domain of this process"
        super().__init__(
            f"subscription {name} {version} is {used}: deploy a release without it, and end the "
            "processes that have it, before it is removed"
        )


@dataclass(frozen=True, slots=True)
class AbandonedSubscription:
    """A version of a subscription that no living process has.

    Attributes:
        name: of the subscription.
        version: of its handler.
        partitions: how many rows it has, of all generations.
        position: its lowest checkpoint.
        parked: how many events are parked.
        schemas: of a projection, the database schemas of its read models.
    """

    name: str
    version: int
    partitions: int
    position: int
    parked: int
    schemas: tuple[str, ...]


class AbandonedSubscriptions:
    """What is in the store of a domain for handlers that it no longer has.

    Nothing is removed by itself: a release that is rolled back goes on where it was.

    Args:
        store: has the subscriptions.
        domain: whose they are.
        handlers: those that this process has, whether it runs them or not.
    """

    def __init__(self, store: Store, domain: str, handlers: Iterable[EventHandler] = ()) -> None:
        self._store = store
        self._domain = domain
        definitions = map(definition_of, handlers)
        self._own = {(item.name, item.version) for item in definitions}

    async def list(self) -> Sequence[AbandonedSubscription]:
        """Those that no living process has, and neither has this one, by name and version.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        members = await self._members()
        rows = await self._store.subscriptions.list(self._domain)
        made = await self._generations()
        versions = {(item.key.name, item.key.version) for item in (*rows, *made)}
        return [
            _abandoned(name, version, rows, made)
            for name, version in sorted(versions - self._own)
            if not _users(name, version, members)
        ]

    async def remove(self, name: str, version: int) -> None:
        """Remove one for good: checkpoints, what is parked, read models, what is under way.

        What was discarded stays recorded. A handler of this name and version starts anew.

        Raises:
            UnknownSubscription: the store has none of this name and version.
            SubscriptionInUse: a living process has it, or this one.
            GenerationRefused: a process uses one of its read models.
            StoreUnavailable: the database does not answer; what is left can be removed again.
        """
        rows = await self._store.subscriptions.list(self._domain)
        made = await self._generations()
        known = {(item.key.name, item.key.version) for item in (*rows, *made)}
        if (name, version) not in known:
            raise UnknownSubscription(name, [f"{other} {its}" for other, its in sorted(known)])
        users = _users(name, version, await self._members())
        if users or (name, version) in self._own:
            raise SubscriptionInUse(name, version, users)
        models = self._store.read_models
        for item in made:
            if models is not None and _is_of(item.key, name, version):
                await models.generations.drop(item.key)
        if not await self._store.subscriptions.remove(self._domain, name, version):
            owners = {row.owner for row in rows if row.owner and _is_of(row.key, name, version)}
            raise SubscriptionInUse(name, version, sorted(owners))

    async def _members(self) -> Sequence[Member]:
        nodes = await self._store.nodes.list(self._domain, lease=_LEASE)
        return [Member(node.id, node.offers) for node in nodes if node.fresh]

    async def _generations(self) -> Sequence[Generation]:
        models = self._store.read_models
        return () if models is None else await models.generations.list(self._domain)


def _is_of(key: SubscriptionKey, name: str, version: int) -> bool:
    return (key.name, key.version) == (name, version)


def _users(name: str, version: int, members: Sequence[Member]) -> Sequence[str]:
    key = SubscriptionKey("", name, version)
    return [member.id for member in members if keys_offered(key, member) is not None]


def _abandoned(
    name: str, version: int, rows: Sequence[SubscriptionRow], made: Sequence[Generation]
) -> AbandonedSubscription:
    own = [row for row in rows if _is_of(row.key, name, version)]
    return AbandonedSubscription(
        name,
        version,
        partitions=len(own),
        position=min((row.position for row in own), default=0),
        parked=sum(row.parked for row in own),
        schemas=tuple(item.schema_name for item in made if _is_of(item.key, name, version)),
    )
