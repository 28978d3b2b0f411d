"""The role `layouts` in memory."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from chekov.domain.partitioning import BY_STREAM
from chekov.store.memory.parked_rows import ParkedRows
from chekov.store.memory.subscription_rows import Row
from chekov.store.port import Layout, ParkedPlace, SubscriptionKey
from chekov.store.port.layouts import keys_changing, no_handler, still_needed
from chekov.watermark import Watermark


class MemoryLayouts:
    """One layout per subscription, changed together with its rows.

    Args:
        rows: of the subscriptions.
        clock: tells the time of leases.
        end: gives the last position of the log.
        freed: rises when a subscription may have become free.
    """

    def __init__(
        self,
        rows: dict[SubscriptionKey, Row],
        clock: Callable[[], datetime],
        end: Callable[[], int],
        freed: Watermark,
    ) -> None:
        self._rows = rows
        self._now = clock
        self._end = end
        self._freed = freed
        self._layouts: dict[SubscriptionKey, Layout] = {}

    async def divide(
        self, key: SubscriptionKey, partitions: int, *, keyed_by: str = BY_STREAM
    ) -> Layout:
        """Divide a subscription into so many partitions, unless it is divided already."""
        first = _first_of(key)
        return self._layouts.setdefault(first, Layout(first, partitions, keyed_by=keyed_by))

    def keyed_by(self, key: SubscriptionKey) -> str:
        """What the partitions of a subscription are divided by, as far as is known."""
        layout = self._layouts.get(_first_of(key))
        return BY_STREAM if layout is None else layout.keyed_by

    def forget(self, key: SubscriptionKey) -> None:
        """Remove the layout of a subscription."""
        self._layouts.pop(_first_of(key), None)

    def has(self, key: SubscriptionKey) -> bool:
        """Whether a partition exists, as far as is known."""
        layout = self._layouts.get(_first_of(key))
        return layout is None or key.partition < layout.partitions

    async def list(self, domain: str) -> Sequence[Layout]:
        """The layouts of a domain, by name and version."""
        found = [layout for key, layout in self._layouts.items() if key.domain == domain]
        return sorted(found, key=lambda layout: (layout.key.name, layout.key.version))

    async def change(
        self,
        layout: Layout,
        partitions: int,
        place: Callable[[str], int],
        *,
        vanished: Collection[str] = (),
    ) -> bool:
        """Divide a subscription anew, by the same keys."""
        rows = self._free(layout, vanished)
        if not rows:
            return False
        positions = tuple(row.position for row in rows)
        former = (*still_needed(layout.former, positions), positions)
        made = self._divide_anew(replace(layout, partitions=partitions, former=former), rows)
        for row in rows:
            for event in row.parked:
                made[place(event.key)].parked.adopt(event, event.key)
        return True

    async def bring_together(self, layout: Layout, *, vanished: Collection[str] = ()) -> bool:
        """Let each partition stop where the log ends now."""
        rows = self._free(layout, vanished)
        for row in rows:
            row.epoch += 1
            row.owner = row.lease_until = None
        if rows:
            changes = layout.changes + 1
            self._layouts[layout.key] = replace(layout, changes=changes, until=self._end())
            self._freed.bump()
        return bool(rows)

    async def rekey(
        self,
        layout: Layout,
        partitions: int,
        keyed_by: str,
        parked: Mapping[int, ParkedPlace],
        *,
        vanished: Collection[str] = (),
    ) -> bool:
        """Divide a subscription anew, by other keys."""
        rows = self._free(layout, vanished)
        events = [event for row in rows for event in row.parked]
        if not rows or any(event.position not in parked for event in events):
            return False
        changed = replace(layout, partitions=partitions, keyed_by=keyed_by, former=())
        made = self._divide_anew(changed, rows)
        for event in events:
            place = parked[event.position]
            made[place.partition].parked.adopt(event, place.key)
        return True

    async def rewind(self, key: SubscriptionKey, position: int, *, replay: str = "") -> None:
        """Let an event handler begin again after a position."""
        layout = self._layouts.get(_first_of(key))
        if layout is None:
            raise no_handler(key)
        if layout.until is not None:
            raise keys_changing(key)
        rows = [self._rows[key] for key in self._keys(layout) if key in self._rows]
        reached = max((row.position for row in rows), default=0)
        again = [row for row in rows if not replay or row.replay != replay]
        for row in again:
            row.position = min(row.position, position)
            row.registered = max(row.registered, reached)
            row.replay = replay
            row.epoch += 1
            row.owner = row.lease_until = None
            row.updated = self._now()
            row.parked.forget_above(position)
        if again:
            self._layouts[layout.key] = replace(layout, changes=layout.changes + 1, former=())
            self._freed.bump()

    def _free(self, layout: Layout, vanished: Collection[str]) -> Sequence[Row]:
        """The rows of its partitions; none if they cannot be changed."""
        found = self._layouts.get(layout.key)
        rows = [self._rows[key] for key in self._keys(layout) if key in self._rows]
        if found is None or found.changes != layout.changes or len(rows) != layout.partitions:
            return ()
        free = all(row.state == "running" and self._is_free(row, vanished) for row in rows)
        return rows if free else ()

    def _divide_anew(self, layout: Layout, former: Sequence[Row]) -> Sequence[Row]:
        """Replace the rows by those of a layout, without what is parked, and return these."""
        for key in [key for key in self._rows if _first_of(key) == layout.key]:
            del self._rows[key]
        made = _divided(layout, former, self._now())
        self._rows.update(zip(self._keys(layout), made, strict=True))
        self._layouts[layout.key] = replace(layout, changes=layout.changes + 1, until=None)
        self._freed.bump()
        return made

    def _keys(self, layout: Layout) -> Sequence[SubscriptionKey]:
        return [replace(layout.key, partition=number) for number in range(layout.partitions)]

    def _is_free(self, row: Row, vanished: Collection[str]) -> bool:
        leased = row.lease_until is not None and row.lease_until > self._now()
        return row.owner is None or not leased or row.owner in vanished


def _first_of(key: SubscriptionKey) -> SubscriptionKey:
    return SubscriptionKey(key.domain, key.name, key.version)


def _divided(layout: Layout, former: Sequence[Row], now: datetime) -> Sequence[Row]:
    """Rows of the new partitions, without what is parked."""
    made: list[Row] = []
    for number in range(layout.partitions):
        parked = ParkedRows(replace(layout.key, partition=number))
        parked.last_failed = max(row.parked.last_failed for row in former)
        parked.changes = max(row.parked.changes for row in former) + 1
        made.append(
            Row(
                min(row.position for row in former),
                max(row.registered for row in former),
                now,
                parked,
                epoch=max(row.epoch for row in former) + 1,
            )
        )
    for row in former:
        made[0].parked.discarded.extend(row.parked.discarded)
    return made
