"""Following the number of partitions of each subscription, and changing it.

The store has one layout for each subscription, which every process follows, whatever its code says.
The layout changes once all living nodes that run the subscription ask for the same other number:
after a rollout, not in the midst of it. Then each owner stops after its event at hand, with its
checkpoint; the last one to see all partitions free divides them anew.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from chekov.engine.subscriptions.partitions import partition_of
from chekov.engine.subscriptions.shares import Member, offer_of
from chekov.store.port import Layout, RecordedEvent, Store, SubscriptionKey, SubscriptionRow

_log: Final = logging.getLogger(__name__)


def wish_of(key: SubscriptionKey, partitions: int) -> str:
    """What a node offers to ask for so many partitions."""
    return f"{offer_of(key)} in {partitions}"


class LayoutKeeper:
    """Follows the layouts of a domain in the store.

    Attributes:
        wishes: what this process asks for, for its node to offer.

    Args:
        store: has the layouts.
        wanted: first key of each subscription that can be divided → into how many partitions.
        adopt: is called with each layout that this process has to follow from now on.
    """

    def __init__(
        self,
        store: Store,
        wanted: Mapping[SubscriptionKey, int],
        adopt: Callable[[Layout], None],
    ) -> None:
        self._store = store
        self._wanted = wanted
        self._adopt = adopt
        self._layouts: dict[SubscriptionKey, Layout] = {}
        self.wishes = frozenset(wish_of(key, number) for key, number in wanted.items())

    async def prepare(self) -> None:
        """Divide what is new, and adopt the layout of each subscription.

        Raises:
            StoreError: the store is away.
        """
        for key, number in self._wanted.items():
            self._follow(await self._store.layouts.divide(key, number))

    async def refresh(self) -> None:
        """Adopt what has changed.

        Raises:
            StoreError: the store is away.
        """
        for domain in {key.domain for key in self._wanted}:
            for layout in await self._store.layouts.list(domain):
                if layout.key in self._wanted:
                    self._follow(layout)

    async def due(self, members: Sequence[Member]) -> Collection[SubscriptionKey]:
        """First keys of those that are to be divided anew: all who run them ask for it.

        Raises:
            StoreError: the store is away.
        """
        asked = [
            layout.key
            for layout in self._layouts.values()
            if layout.partitions != self._wanted[layout.key] and self._agreed(layout.key, members)
        ]
        if not asked:
            return ()
        rows = await self._store.subscriptions.list(asked[0].domain)
        return [key for key in asked if _all_run(key, rows)]

    async def change(
        self, keys: Iterable[SubscriptionKey], *, vanished: Collection[str] = ()
    ) -> None:
        """Divide subscriptions anew, as far as all of their partitions are free.

        Raises:
            StoreError: the store is away.
        """
        for key in keys:
            layout, wanted = self._layouts[key], self._wanted[key]
            place = partial(partition_of, partitions=wanted)
            if await self._store.layouts.change(layout, wanted, place, vanished=vanished):
                _log.info(
                    "a subscription is divided anew",
                    extra={
                        "subscription": key.name,
                        "partitions": wanted,
                        "former": layout.partitions,
                    },
                )
                self._follow(await self._store.layouts.divide(key, wanted))

    def _follow(self, layout: Layout) -> None:
        known = self._layouts.get(layout.key)
        if known is None or known.changes != layout.changes:
            self._layouts[layout.key] = layout
            self._adopt(layout)

    def _agreed(self, key: SubscriptionKey, members: Sequence[Member]) -> bool:
        wish = wish_of(key, self._wanted[key])
        return all(wish in item.offers for item in members if offer_of(key) in item.offers)


def first_of(key: SubscriptionKey) -> SubscriptionKey:
    """The key of the first partition."""
    return replace(key, partition=0)


def _all_run(key: SubscriptionKey, rows: Iterable[SubscriptionRow]) -> bool:
    return all(row.state == "running" for row in rows if first_of(row.key) == key)


class HandledBefore:
    """What the owners of former layouts handled above the checkpoint that a new one begins at.

    Args:
        layout: the present one.
        key_of: the key by which an event is put into a partition.
    """

    def __init__(self, layout: Layout, key_of: Callable[[RecordedEvent], str]) -> None:
        self._former = layout.former
        self._key_of = key_of
        self._until = max((max(positions) for positions in layout.former), default=0)

    def left_of(self, events: list[RecordedEvent]) -> list[RecordedEvent]:
        """Those of `events` that nobody has handled yet."""
        if not events or events[0].position > self._until:
            return events
        return [event for event in events if not self._has(event)]

    def _has(self, event: RecordedEvent) -> bool:
        key, position = self._key_of(event), event.position
        return any(
            position <= positions[partition_of(key, len(positions))] for positions in self._former
        )
