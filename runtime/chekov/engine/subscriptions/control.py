"""Pausing, resuming, rewinding, retrying, discarding: what people and tools do to subscriptions."""

from collections.abc import Sequence

from chekov.domain.handler_definition import StartFrom
from chekov.errors import DefinitionError, UnknownSubscription
from chekov.store.port import (
    DiscardedEvent,
    ParkedEvent,
    ParkedFilter,
    ParkedGroup,
    RewindRefused,
    Store,
    SubscriptionKey,
)
from chekov.store.start_points import start_position


class SubscriptionControl:
    """Changes the subscriptions of a domain in the store, which all of its processes follow.

    A name stands for every version and partition of a subscription.
    """

    def __init__(self, store: Store, domain: str) -> None:
        self._store = store
        self._subscriptions = store.subscriptions
        self._domain = domain

    async def pause(self, name: str, *, by: str = "") -> None:
        """Let no process run a subscription until it is resumed.

        Args:
            name: of the subscription.
            by: who does it, for others to see.

        Raises:
            UnknownSubscription: the store has none of this name.
        """
        await self._require(name)
        await self._subscriptions.pause(self._domain, name, by=by)

    async def resume(self, name: str) -> None:
        """Let a paused or stopped subscription run again.

        Raises:
            UnknownSubscription: the store has none of this name.
        """
        await self._require(name)
        await self._subscriptions.resume(self._domain, name)

    async def rewind(
        self, name: str, start: StartFrom = "origin", *, version: int | None = None
    ) -> int:
        """Let an event handler handle everything again from an event on.

        It goes on with what comes after. What is parked from there on is forgotten, since it is
        handled again. A projection is rebuilt instead, see `rebuild`.

        Args:
            name: of the subscription.
            start: `origin`, or the position or the time of the first event.
            version: of the handler; the highest by default.

        Returns:
            The position after which it begins.

        Raises:
            UnknownSubscription: the store has none of this name.
            RewindRefused: it is no event handler's, its keys are being changed, or the position is
                beyond the end of the log.
        """
        await self._require(name)
        layouts = await self._store.layouts.list(self._domain)
        keys = [item.key for item in layouts if item.key.name == name]
        newest = keys[-1].version if keys else 1
        key = SubscriptionKey(self._domain, name, newest if version is None else version)
        try:
            position = await start_position(self._store.events, start, label=name)
        except DefinitionError as error:
            raise RewindRefused(str(error)) from error
        await self._store.layouts.rewind(key, position)
        return position

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
