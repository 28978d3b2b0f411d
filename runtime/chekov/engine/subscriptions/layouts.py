"""Following into what partitions each subscription is divided, and changing it.

The store has one layout for each subscription, which every process follows, whatever its code says.
Its number of partitions changes once all living nodes that run the subscription ask for the same
other one: after a rollout, not in the midst of it. Then each owner stops after its event at hand,
with its checkpoint; the last one to see all partitions free divides them anew.

What the partitions are divided by changes with the newest node, since nodes with other keys cannot
run them. The nodes with the former keys first bring all partitions to one position, where the new
ones go on: so nothing is repeated. If no such node lives, the new ones start at the lowest
checkpoint, and what others had handled above it is repeated.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Literal, NamedTuple

from chekov.engine.subscriptions.partitions import partition_of
from chekov.engine.subscriptions.shares import Member, keys_offered, offer_of
from chekov.store.port import (
    Layout,
    ParkedEvent,
    ParkedPlace,
    RecordedEvent,
    Store,
    SubscriptionKey,
    SubscriptionRow,
)

_PAGE: Final = 1000

_log: Final = logging.getLogger(__name__)


class Division(NamedTuple):
    """How the code of a process divides a subscription.

    Attributes:
        partitions: into how many partitions.
        keyed_by: tells its keys from those of other code; see `Layout`.
    """

    partitions: int
    keyed_by: str


Step = Literal["divide", "bring together", "rekey"]
"""What is to be done to a layout next; see the methods of `Layouts`."""


def wish_of(key: SubscriptionKey, division: Division) -> str:
    """What a node offers to ask for a division."""
    return f"{offer_of(key, division.keyed_by)} in {division.partitions}"


class LayoutKeeper:
    """Follows the layouts of a domain in the store.

    Attributes:
        wishes: what this process asks for, for its node to offer.

    Args:
        store: has the layouts.
        wanted: first key of each subscription that can be divided → how.
        adopt: is called with each layout that this process has to follow from now on.
        key_of: returns the key that this process gives to an event of a subscription.
    """

    def __init__(
        self,
        store: Store,
        wanted: Mapping[SubscriptionKey, Division],
        adopt: Callable[[Layout], None],
        key_of: Callable[[SubscriptionKey, RecordedEvent], str | None],
    ) -> None:
        self._store = store
        self._wanted = wanted
        self._adopt = adopt
        self._key_of = key_of
        self._layouts: dict[SubscriptionKey, Layout] = {}
        self._steps: dict[SubscriptionKey, Step] = {}
        self._owned: set[SubscriptionKey] = set()
        self._unplaced: set[SubscriptionKey] = set()
        self._parked_keys: dict[SubscriptionKey, dict[int, str]] = {}
        self.wishes = frozenset(wish_of(key, division) for key, division in wanted.items())

    async def prepare(self) -> None:
        """Divide what is new, and adopt the layout of each subscription.

        Raises:
            StoreError: the store is away.
        """
        for key, (number, keyed_by) in self._wanted.items():
            self._follow(await self._store.layouts.divide(key, number, keyed_by=keyed_by))

    async def refresh(self) -> None:
        """Adopt what has changed.

        Raises:
            StoreError: the store is away.
        """
        for domain in {key.domain for key in self._wanted}:
            for layout in await self._store.layouts.list(domain):
                if layout.key in self._wanted:
                    self._follow(layout)

    @property
    def moving(self) -> bool:
        """Whether partitions are on their way to where all of them stop."""
        return any(layout.until is not None for layout in self._layouts.values())

    @property
    def foreign(self) -> Sequence[str]:
        """Names of the subscriptions that are divided by other keys than this process has."""
        return [key.name for key in self._layouts if not self.can_run(key)]

    def offer(self, key: SubscriptionKey) -> str:
        """What the node of this process offers to run a subscription."""
        division = self._wanted.get(first_of(key))
        return offer_of(key) if division is None else offer_of(key, division.keyed_by)

    def can_run(self, key: SubscriptionKey) -> bool:
        """Whether this process has the keys that a subscription is divided by."""
        layout = self._layouts.get(first_of(key))
        return layout is None or layout.keyed_by == self._wanted[layout.key].keyed_by

    async def due(self, members: Sequence[Member]) -> Collection[SubscriptionKey]:
        """First keys of those whose layout is to change now, so that all must give them up.

        Raises:
            StoreError: the store is away.
        """
        asked: dict[SubscriptionKey, Step] = {}
        for layout in self._layouts.values():
            step = self._next_step(layout, members)
            if step is not None:
                asked[layout.key] = step
        rows: Sequence[SubscriptionRow] = ()
        if asked:
            rows = await self._store.subscriptions.list(next(iter(asked)).domain)
        self._steps, self._owned = {}, set()
        living = {item.id for item in members}
        for key, step in asked.items():
            own = [row for row in rows if first_of(row.key) == key]
            if not all(row.state == "running" for row in own):
                continue
            if self._have_arrived(self._layouts[key], own, step, members):
                self._steps[key] = step
                if any(row.owner in living for row in own):
                    self._owned.add(key)
        return self._steps.keys()

    async def change(
        self,
        keys: Iterable[SubscriptionKey],
        members: Sequence[Member],
        *,
        vanished: Collection[str] = (),
    ) -> None:
        """Change the layouts that are due, as far as all of their partitions are free.

        Raises:
            StoreError: the store is away.
        """
        self._unplaced.clear()
        for key in keys:
            former, step = self._layouts[key], self._steps[key]
            if await self._take(step, former, members, vanished):
                await self.refresh()
                layout = self._layouts[key]
                _log.info(
                    "a subscription is divided anew",
                    extra={
                        "subscription": key.name,
                        "partitions": layout.partitions,
                        "former": former.partitions,
                        "keyed_by": layout.keyed_by,
                        "until": layout.until,
                    },
                )

    async def place_parked(self, members: Sequence[Member]) -> bool:
        """Read which keys parked events have by this process, where these kept a layout as it was.

        It takes as long as there are parked events. What was read before a cancellation stays.

        Returns:
            Whether there were any that it had not read yet.

        Raises:
            StoreError: the store is away.
        """
        found = False
        living = {item.id for item in members}
        for key in self._unplaced:
            rows = await self._store.subscriptions.list(key.domain)
            if any(first_of(row.key) == key and row.owner in living for row in rows):
                continue  # not free, and more may be parked
            known, after = self._parked_keys.setdefault(key, {}), 0
            while parked := await self._store.subscriptions.parked(
                key.domain, key.name, after=after, limit=_PAGE
            ):
                after = parked[-1].position
                for item in parked:
                    if item.subscription.version == key.version and item.position not in known:
                        known[item.position] = await self._key_of_parked(key, item)
                        found = True
        self._unplaced.clear()
        return found

    async def _key_of_parked(self, key: SubscriptionKey, parked: ParkedEvent) -> str:
        """The key of a parked event by this process; the former one, if its content was erased."""
        page = await self._store.read_page(after=parked.position - 1, limit=1)
        for event in page:
            if (event.position, event.type) == (parked.position, parked.type):
                return self._key_of(key, event) or parked.key
        return parked.key

    async def _take(
        self, step: Step, layout: Layout, members: Sequence[Member], vanished: Collection[str]
    ) -> bool:
        layouts, (number, keyed_by) = self._store.layouts, self._wanted[layout.key]
        if step == "bring together":
            return await layouts.bring_together(layout, vanished=vanished)
        if keyed_by != _newest_keys(layout.key, members):
            return False  # those who have the keys do it
        if step == "rekey":
            if layout.until is not None and layout.key in self._owned:
                return False  # where an owner stops is to be seen first
            known = self._parked_keys.get(layout.key, {})
            places = {
                at: ParkedPlace(text, partition_of(text, number)) for at, text in known.items()
            }
            if await layouts.rekey(layout, number, keyed_by, places, vanished=vanished):
                return True
            self._unplaced.add(layout.key)
            return False
        if not self._agreed(layout, members):
            number = layout.partitions
        place = partial(partition_of, partitions=number)
        return await layouts.change(layout, number, place, vanished=vanished)

    def _next_step(self, layout: Layout, members: Sequence[Member]) -> Step | None:
        newest = _newest_keys(layout.key, members)
        if layout.keyed_by == newest:
            return "divide" if layout.until is not None or self._agreed(layout, members) else None
        if layout.until is None and _is_run(layout, members):
            return "bring together"
        return "rekey"

    def _have_arrived(
        self,
        layout: Layout,
        rows: Sequence[SubscriptionRow],
        step: Step,
        members: Sequence[Member],
    ) -> bool:
        """Whether partitions are where they are to stop, or nobody is there to bring them there.

        They may be at one position before that: all wait for code that reads the next event.
        """
        if step != "rekey" or layout.until is None or not _is_run(layout, members):
            return True
        positions = {row.position for row in rows}
        return len(positions) == 1 or min(positions, default=0) >= layout.until

    def _follow(self, layout: Layout) -> None:
        # The whole of it: of a subscription that was removed, the changes are counted anew.
        if self._layouts.get(layout.key) != layout:
            self._layouts[layout.key] = layout
            self._parked_keys.pop(layout.key, None)
            self._adopt(layout)

    def _agreed(self, layout: Layout, members: Sequence[Member]) -> bool:
        """Whether all that have the keys of a layout ask for the same other number."""
        wanted = self._wanted[layout.key]
        offer, wish = offer_of(layout.key, layout.keyed_by), wish_of(layout.key, wanted)
        return layout.partitions != wanted.partitions and all(
            wish in item.offers for item in members if offer in item.offers
        )


def first_of(key: SubscriptionKey) -> SubscriptionKey:
    """The key of the first partition."""
    return replace(key, partition=0)


def _is_run(layout: Layout, members: Iterable[Member]) -> bool:
    """Whether a node has the keys of a layout."""
    return any(keys_offered(layout.key, item) == layout.keyed_by for item in members)


def _newest_keys(key: SubscriptionKey, members: Sequence[Member]) -> str | None:
    """What the node divides by that joined last, of those that run a subscription."""
    offered = (keys_offered(key, item) for item in reversed(members))
    return next((keyed_by for keyed_by in offered if keyed_by is not None), None)


class HandledBefore:
    """What the owners of former layouts handled above the checkpoint that a new one begins at.

    Args:
        layout: the present one.
        key_of: the key by which an event is put into a partition; `None` if nobody could say yet,
            so that nobody has handled it.
    """

    def __init__(self, layout: Layout, key_of: Callable[[RecordedEvent], str | None]) -> None:
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
        return key is not None and any(
            position <= positions[partition_of(key, len(positions))] for positions in self._former
        )
