"""Pausing, resuming, retrying and discarding: what people and tools do to subscriptions."""

from collections.abc import Sequence

from chekov.errors import UnknownSubscription
from chekov.store.port import (
    DiscardedEvent,
    ParkedEvent,
    ParkedFilter,
    ParkedGroup,
    Subscriptions,
)


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

    async def parked(
        self,
        name: str,
        *,
        key: str | None = None,
        fingerprint: str | None = None,
        position: int | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> Sequence[ParkedEvent]:
        """The first `limit` parked events of a subscription above a position, by position.

        Args:
            name: of the subscription.
            key: only events of this key; a stream, unless the handler has other keys.
            fingerprint: only failures with this one.
            position: only the event there.
            after: only events above this position.
            limit: how many; some more when several versions or partitions parked the last one.

        Raises:
            UnknownSubscription: the store has none of this name.
        """
        await self._require(name)
        chosen = ParkedFilter(key=key, fingerprint=fingerprint, position=position)
        return await self._subscriptions.parked(
            self._domain, name, filter=chosen, after=after, limit=limit
        )

    async def parked_groups(self, name: str) -> Sequence[ParkedGroup]:
        """The failed events of a subscription by fingerprint, the most frequent first.

        Raises:
            UnknownSubscription: the store has none of this name.
        """
        await self._require(name)
        return await self._subscriptions.parked_groups(self._domain, name)

    async def retry(
        self,
        name: str,
        *,
        key: str | None = None,
        fingerprint: str | None = None,
        position: int | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> Sequence[int]:
        """Let the owner handle failed events again, and what they block after them, in order.

        It only marks them: the owner handles them as soon as it runs. An event that fails again is
        parked again. One that waits for its next attempt is tried now, and its attempts count on.

        Args:
            name: of the subscription.
            key: only the first event of this key.
            fingerprint: only failures with this one.
            position: only the event there.
            after: only events above this position.
            limit: how many; to go on, call again with the last position as `after`.

        Returns:
            The positions of the events.

        Raises:
            UnknownSubscription: the store has none of this name.
        """
        await self._require(name)
        chosen = ParkedFilter(key=key, fingerprint=fingerprint, position=position)
        return await self._subscriptions.retry_parked(
            self._domain, name, chosen, after=after, limit=limit
        )

    async def discard(
        self,
        name: str,
        *,
        reason: str,
        key: str | None = None,
        fingerprint: str | None = None,
        position: int | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> Sequence[int]:
        """Give failed events up for good; what they blocked is handled next.

        Args:
            name: of the subscription.
            reason: is kept with what is discarded.
            key: as in `retry`.
            fingerprint: as in `retry`.
            position: as in `retry`.
            after: as in `retry`.
            limit: as in `retry`.

        Returns:
            The positions of the events.

        Raises:
            UnknownSubscription: the store has none of this name.
        """
        await self._require(name)
        chosen = ParkedFilter(key=key, fingerprint=fingerprint, position=position)
        return await self._subscriptions.discard_parked(
            self._domain, name, chosen, reason=reason, after=after, limit=limit
        )

    async def discarded(
        self, name: str, *, after: int = 0, limit: int = 100
    ) -> Sequence[DiscardedEvent]:
        """What a subscription will never handle, with the reasons, by position.

        Raises:
            UnknownSubscription: the store has none of this name.
        """
        await self._require(name)
        return await self._subscriptions.discarded(self._domain, name, after=after, limit=limit)

    async def _require(self, name: str) -> None:
        names = {row.key.name for row in await self._subscriptions.list(self._domain)}
        if name not in names:
            raise UnknownSubscription(name, sorted(names))
