"""The role `subscriptions` in memory."""

from collections import Counter
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import astuple
from datetime import datetime, timedelta
from typing import TypeVar

from chekov.errors import Fenced
from chekov.store.memory.layouts import MemoryLayouts
from chekov.store.memory.parked_rows import ParkedRows
from chekov.store.memory.subscription_rows import Row
from chekov.store.port import (
    ALL_PARKED,
    Claim,
    DiscardedEvent,
    Failure,
    ParkedEvent,
    ParkedFilter,
    ParkedGroup,
    ParkedState,
    ParkingEntry,
    SubscriptionKey,
    SubscriptionRow,
)
from chekov.watermark import Watermark

P = TypeVar("P", ParkedEvent, DiscardedEvent)


class MemorySubscriptions:
    """One row per subscription, changed only through a claim that is not stale.

    Attributes:
        layouts: the role that knows the partitions, over the same rows.
        on_removed: is called with the key of each row that is removed.
        waiting: returns the parking keys that what is not in the log keeps back, until somebody
            does something about it.

    Args:
        clock: tells the time of leases.
        end: gives the last position of the log.
        freed: rises when a subscription may have become free.
    """

    def __init__(
        self, clock: Callable[[], datetime], end: Callable[[], int], freed: Watermark
    ) -> None:
        self._now = clock
        self._end = end
        self._rows: dict[SubscriptionKey, Row] = {}
        self._freed = freed
        self._discarded: list[DiscardedEvent] = []
        self.on_removed: Callable[[SubscriptionKey], None] = lambda _: None
        self.waiting: Callable[[SubscriptionKey], Container[str]] = lambda _: ()
        self.layouts = MemoryLayouts(self._rows, clock, end, freed)

    async def register(self, keys: Collection[SubscriptionKey], *, start: int = 0) -> None:
        """Add those of `keys` that are new."""
        for key in keys:
            if self.layouts.has(key):
                self._rows.setdefault(key, Row(start, self._end(), self._now(), ParkedRows(key)))

    async def claim(
        self,
        owner: str,
        keys: Collection[SubscriptionKey],
        *,
        lease: float,
        vanished: Collection[str] = (),
    ) -> Sequence[Claim]:
        """Renew the claims of `owner` among `keys`, and claim the free ones."""
        now = self._now()
        claims: list[Claim] = []
        for key in keys:
            row = self._rows.get(key)
            if row is None or row.state != "running":
                continue
            if row.owner != owner:
                leased = row.lease_until is not None and row.lease_until > now
                if row.owner is not None and leased and row.owner not in vanished:
                    continue
                row.epoch += 1
                row.owner = owner
                row.updated = now
            row.lease_until = now + timedelta(seconds=lease)
            claims.append(
                Claim(
                    key,
                    owner,
                    row.epoch,
                    row.position,
                    row.registered,
                    last_failed=row.parked.last_failed,
                    parked_changes=row.parked.changes,
                )
            )
        return claims

    async def end_stale(
        self, keys: Collection[SubscriptionKey], *, vanished: Collection[str] = ()
    ) -> int:
        """There are no transactions that last."""
        return 0

    async def release(self, owner: str, keys: Collection[SubscriptionKey]) -> None:
        """Give up the claims of `owner` among `keys`."""
        held = [self._rows[key] for key in keys if key in self._rows]
        mine = [row for row in held if row.owner == owner]
        for row in mine:
            self._give_up(row)
        if mine:
            self._freed.bump()

    async def save(
        self, claim: Claim, position: int, *, parked: Sequence[ParkingEntry] = ()
    ) -> bool:
        """Move the checkpoint forward to `position`, and set events aside."""
        row = self._owned(claim)
        row.parked.add(parked, self._now())
        self._move(row, position)
        return False

    async def blocked(self, claim: Claim) -> Mapping[str, bool]:
        """Each key with parked events → whether the first of them is to be handled now."""
        return self._rows[claim.key].parked.keys

    async def parked_in_order(
        self, claim: Claim, key: str, *, limit: int = 100
    ) -> Sequence[ParkedEvent]:
        """The first parked events of a key, by position."""
        return self._rows[claim.key].parked.in_order(key, limit)

    async def retried(self, claim: Claim, *, after: int) -> Collection[str]:
        """The keys of events that somebody retried after so many changes."""
        return self._rows[claim.key].parked.retried(after)

    async def unpark(self, claim: Claim, position: int) -> None:
        """Remove a parked event: it has been handled."""
        self._holding(claim, position).remove(position)

    async def park_again(self, claim: Claim, position: int, failure: Failure) -> None:
        """Note that a parked event failed again."""
        self._holding(claim, position).fail(position, failure)

    async def parked(
        self,
        domain: str,
        name: str,
        *,
        filter: ParkedFilter = ALL_PARKED,
        after: int = 0,
        limit: int = 100,
    ) -> Sequence[ParkedEvent]:
        """Parked events above the position `after`, by position."""
        found = [event for _, row in self._of(domain, name) for event in row.parked]
        return _first(
            [event for event in found if event.position > after and filter.matches(event)], limit
        )

    async def parked_groups(self, domain: str, name: str) -> Sequence[ParkedGroup]:
        """The failed events of a subscription by fingerprint, the most frequent first."""
        groups: dict[str, list[ParkedEvent]] = {}
        for _, row in self._of(domain, name):
            for event in row.parked.chosen(ALL_PARKED, 0, "failed"):
                groups.setdefault(event.fingerprint, []).append(event)
        return sorted(
            (_group(fingerprint, events) for fingerprint, events in groups.items()),
            key=lambda group: (-group.events, group.fingerprint),
        )

    async def retry_parked(
        self,
        domain: str,
        name: str,
        filter: ParkedFilter,
        *,
        after: int = 0,
        limit: int = 1000,
        replay: str = "",
    ) -> Sequence[int]:
        """Let the owners handle failed events again."""
        states: Sequence[ParkedState] = ("failed", "retrying")
        chosen = self._chosen(domain, name, filter, after, limit, *states, replay=replay)
        for event in chosen:
            self._rows[event.subscription].parked.retry(event.position, replay)
        return self._changed(domain, name, chosen)

    async def still_parked(self, domain: str, name: str, replay: str) -> Mapping[ParkedState, int]:
        """How many events that a replay retried are parked, by state."""
        rows = [row for _, row in self._of(domain, name)]
        return Counter(state for row in rows for state in row.parked.states_of(replay))

    async def discard_parked(
        self,
        domain: str,
        name: str,
        filter: ParkedFilter,
        *,
        reason: str,
        after: int = 0,
        limit: int = 1000,
    ) -> Sequence[int]:
        """Give failed events up for a reason, which is kept."""
        chosen = self._chosen(domain, name, filter, after, limit, "failed")
        for event in chosen:
            self._rows[event.subscription].parked.discard(event.position, reason, self._now())
        return self._changed(domain, name, chosen)

    async def discarded(
        self, domain: str, name: str, *, after: int = 0, limit: int = 100
    ) -> Sequence[DiscardedEvent]:
        """Discarded and skipped events above the position `after`, by position."""
        removed = [event for event in self._discarded if _is_of(event.subscription, domain, name)]
        rows = self._of(domain, name)
        found = [*removed, *(event for _, row in rows for event in row.parked.discarded)]
        return _first([event for event in found if event.position > after], limit)

    async def failed(self, domain: str, *, first: int, last: int) -> Mapping[SubscriptionKey, bool]:
        """The subscriptions that set an event from `first` to `last` aside → whether for good."""
        found = {
            key: row.parked.set_aside(first, last, self.waiting(key))
            for key, row in self._of(domain)
        }
        return {key: any(finals) for key, finals in found.items() if finals}

    def parked_changed(self, domain: str, name: str) -> None:
        """Let the owners look at what was set aside."""
        for _, row in self._of(domain, name):
            row.parked.changes += 1
        self._freed.bump()

    async def stop(self, claim: Claim, error: str) -> None:
        """Stop the subscription and give it up."""
        row = self._owned(claim)
        row.state = "stopped"
        row.error = error
        self._give_up(row)
        self._freed.bump()

    async def resume(self, domain: str, name: str) -> None:
        """Let processes claim a paused or stopped subscription again."""
        for _, row in self._of(domain, name):
            row.state = "running"
            row.error = None
            row.paused_by = ""
            row.updated = self._now()
        self._freed.bump()

    async def pause(self, domain: str, name: str, *, by: str = "") -> None:
        """Let no process claim a subscription until it is resumed."""
        for _, row in self._of(domain, name):
            row.state = "paused"
            row.paused_by = by
            self._give_up(row)
        self._freed.bump()

    async def remove(self, domain: str, name: str, version: int) -> bool:
        """Remove a version of a subscription with all that belongs to it."""
        rows = {key: row for key, row in self._of(domain, name) if key.version == version}
        now = self._now()
        if any(row.owner and row.lease_until and row.lease_until > now for row in rows.values()):
            return False
        for key, row in rows.items():
            self._discarded += row.parked.discarded
            del self._rows[key]
            self.layouts.forget(key)
            self.on_removed(key)
        return True

    async def list(self, domain: str) -> Sequence[SubscriptionRow]:
        """Every subscription of a domain, by name, version, partition and generation."""
        return [
            SubscriptionRow(
                key,
                row.position,
                row.owner,
                row.epoch,
                row.state,
                row.error,
                len(row.parked),
                row.updated,
                parked_keys=len(row.parked.keys),
                last_failed=row.parked.last_failed,
                keyed_by=self.layouts.keyed_by(key),
                registered=row.registered,
                paused_by=row.paused_by,
                replay=row.replay,
            )
            for key, row in self._of(domain)
        ]

    def _of(self, domain: str, name: str | None = None) -> Sequence[tuple[SubscriptionKey, Row]]:
        rows = [
            (key, row)
            for key, row in self._rows.items()
            if key.domain == domain and name in (None, key.name)
        ]
        return sorted(rows, key=lambda item: astuple(item[0]))

    def _chosen(
        self,
        domain: str,
        name: str,
        filter: ParkedFilter,
        after: int,
        limit: int,
        *states: ParkedState,
        replay: str = "",
    ) -> Sequence[ParkedEvent]:
        found = [
            item
            for _, row in self._of(domain, name)
            for item in row.parked.chosen(filter, after, *states, replay=replay)
        ]
        return _first(found, limit)

    def _changed(self, domain: str, name: str, chosen: Sequence[ParkedEvent]) -> Sequence[int]:
        """Let the owners look at what was chosen, and return its positions."""
        if chosen:
            self.parked_changed(domain, name)
        return [event.position for event in chosen]

    def _holding(self, claim: Claim, position: int) -> ParkedRows:
        row = self._owned(claim)
        if position not in row.parked:
            raise Fenced(claim.key.name)
        return row.parked

    def _owned(self, claim: Claim) -> Row:
        row = self._rows.get(claim.key)
        if row is None or (row.owner, row.epoch) != (claim.owner, claim.epoch):
            raise Fenced(claim.key.name)
        return row

    def _move(self, row: Row, position: int) -> None:
        row.position = max(row.position, position)
        row.updated = self._now()

    def _give_up(self, row: Row) -> None:
        row.owner = None
        row.lease_until = None
        row.updated = self._now()


def _is_of(key: SubscriptionKey, domain: str, name: str) -> bool:
    return (key.domain, key.name) == (domain, name)


def _first(events: Sequence[P], limit: int) -> Sequence[P]:
    """The first `limit` by position, and all others at the last one's position."""
    found = sorted(events, key=lambda event: event.position)
    end = found[limit - 1].position if 0 < limit <= len(found) else 0
    return [event for number, event in enumerate(found) if number < limit or event.position == end]


def _group(fingerprint: str, events: Sequence[ParkedEvent]) -> ParkedGroup:
    found = sorted(events, key=lambda event: event.position)
    first, last = found[0], found[-1]
    since = min(event.time for event in found)
    return ParkedGroup(fingerprint, len(found), first.position, last.position, first.error, since)
