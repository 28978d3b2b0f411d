"""Pausing and resuming subscriptions, and listing their parked events: for people and tools."""

from collections.abc import Sequence

from chekov.errors import UnknownSubscription
from chekov.store.port import ParkedEvent, Subscriptions


class SubscriptionControl:
    """Changes the subscriptions of a domain in the store, which all of its processes follow.

    A name stands for every version and partition of a subscription.
    """

    def __init__(self, subscriptions: Subscriptions, domain: str) -> None:
        self._subscriptions = subscriptions
        self._domain = domain

    async def pause(self, name: str) -> None:
        """Let no process run a subscription until it is resumed.

        Raises:
            UnknownSubscription: the store has none of this name.
        """
        await self._require(name)
        await self._subscriptions.pause(self._domain, name)

    async def resume(self, name: str) -> None:
        """Let a paused or stopped subscription run again.

        Raises:
            UnknownSubscription: the store has none of this name.
        """
        await self._require(name)
        await self._subscriptions.resume(self._domain, name)

    async def parked(self, name: str, *, limit: int = 100) -> Sequence[ParkedEvent]:
        """The first `limit` parked events of a subscription, by position.

        Raises:
            UnknownSubscription: the store has none of this name.
        """
        await self._require(name)
        return await self._subscriptions.parked(self._domain, name, limit=limit)

    async def _require(self, name: str) -> None:
        names = {row.key.name for row in await self._subscriptions.list(self._domain)}
        if name not in names:
            raise UnknownSubscription(name, sorted(names))
