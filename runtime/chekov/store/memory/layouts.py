"""The role `layouts` in memory."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from chekov.store.memory.parked_rows import ParkedRows
from chekov.store.memory.subscription_rows import Row
from chekov.store.port import Layout, SubscriptionKey
from chekov.store.port.layouts import still_needed
from chekov.watermark import Watermark


class MemoryLayouts:
    """One layout per subscription, changed together with its rows.

    Args:
        rows: of the subscriptions.
        clock: tells the time of leases.
        freed: rises when a subscription may have become free.
    """

    def __init__(
        self,
        rows: dict[SubscriptionKey, Row],
        clock: Callable[[], datetime],
        freed: Watermark,
    ) -> None:
        self._rows = rows
        self._now = clock
        self._freed = freed
        self._layouts: dict[SubscriptionKey, Layout] = {}

    async def divide(self, key: SubscriptionKey, partitions: int) -> Layout:
        """Divide a subscription into so many partitions, unless it is divided already."""
        first = SubscriptionKey(key.domain, key.name, key.version)
        return self._layouts.setdefault(first, Layout(first, partitions))

    def has(self, key: SubscriptionKey) -> bool:
        """Whether a partition exists, as far as is known."""
        layout = self._layouts.get(SubscriptionKey(key.domain, key.name, key.version))
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
        """Divide a subscription anew, and fence off every owner that it had."""
        found = self._layouts.get(layout.key)
        keys = [replace(layout.key, partition=number) for number in range(layout.partitions)]
        rows = [self._rows[key] for key in keys if key in self._rows]
        if found is None or found.changes != layout.changes or len(rows) != layout.partitions:
            return False
        if not all(row.state == "running" and self._is_free(row, vanished) for row in rows):
            return False
        for key in keys:
            del self._rows[key]
        made = _divided(layout.key, rows, partitions, self._now())
        for row in rows:
            for event in row.parked:
                key = replace(layout.key, partition=place(event.key))
                made[key].parked.adopt(event)
        self._rows.update(made)
        positions = tuple(row.position for row in rows)
        former = (*still_needed(found.former, positions), positions)
        self._layouts[layout.key] = Layout(layout.key, partitions, found.changes + 1, former)
        self._freed.bump()
        return True

    def _is_free(self, row: Row, vanished: Collection[str]) -> bool:
        leased = row.lease_until is not None and row.lease_until > self._now()
        return row.owner is None or not leased or row.owner in vanished


def _divided(
    first: SubscriptionKey, rows: Sequence[Row], partitions: int, now: datetime
) -> Mapping[SubscriptionKey, Row]:
    """Rows of the new partitions, without what is parked."""
    made: dict[SubscriptionKey, Row] = {}
    for number in range(partitions):
        key = replace(first, partition=number)
        parked = ParkedRows(key)
        parked.last_failed = max(row.parked.last_failed for row in rows)
        parked.changes = max(row.parked.changes for row in rows) + 1
        made[key] = Row(
            min(row.position for row in rows),
            max(row.registered for row in rows),
            now,
            parked,
            epoch=max(row.epoch for row in rows) + 1,
        )
    for row in rows:
        made[first].parked.discarded.extend(row.parked.discarded)
    return made
