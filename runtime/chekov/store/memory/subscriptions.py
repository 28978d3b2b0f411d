"""The role `subscriptions` in memory."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from chekov.errors import Fenced
from chekov.store.port import Claim, ParkedEvent, RecordedEvent, SubscriptionKey, SubscriptionRow
from chekov.watermark import Watermark


@dataclass(slots=True)
class _Row:
    position: int
    registered: int
    updated: datetime
    owner: str | None = None
    epoch: int = 0
    lease_until: datetime | None = None
    state: Literal["running", "paused", "stopped"] = "running"
    error: str | None = None
    parked: dict[int, ParkedEvent] = field(default_factory=dict[int, ParkedEvent])


class MemorySubscriptions:
    """One row per subscription, changed only through a claim that is not stale.

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
        self._rows: dict[SubscriptionKey, _Row] = {}
        self._freed = freed

    async def register(self, keys: Collection[SubscriptionKey], *, start: int = 0) -> None:
        """Add those of `keys` that are new."""
        for key in keys:
            self._rows.setdefault(key, _Row(start, self._end(), self._now()))

    async def claim(
        self, owner: str, keys: Collection[SubscriptionKey], *, lease: float
    ) -> Sequence[Claim]:
        """Renew the claims of `owner` among `keys`, and claim the free ones."""
        now = self._now()
        claims: list[Claim] = []
        for key in keys:
            row = self._rows.get(key)
            if row is None or row.state != "running":
                continue
            if row.owner != owner:
                if row.owner is not None and row.lease_until and row.lease_until > now:
                    continue
                row.epoch += 1
                row.owner = owner
                row.updated = now
            row.lease_until = now + timedelta(seconds=lease)
            claims.append(Claim(key, owner, row.epoch, row.position, row.registered))
        return claims

    async def release(self, owner: str, keys: Collection[SubscriptionKey]) -> None:
        """Give up the claims of `owner` among `keys`."""
        held = [self._rows[key] for key in keys if key in self._rows]
        mine = [row for row in held if row.owner == owner]
        for row in mine:
            self._give_up(row)
        if mine:
            self._freed.bump()

    async def save(self, claim: Claim, position: int) -> None:
        """Move the checkpoint forward to `position`."""
        self._move(self._owned(claim), position)

    async def park(self, claim: Claim, event: RecordedEvent, *, attempts: int, error: str) -> None:
        """Set `event` aside and move the checkpoint past it."""
        row = self._owned(claim)
        row.parked[event.position] = ParkedEvent(
            claim.key, event.position, event.stream, event.type, attempts, error, self._now()
        )
        self._move(row, event.position)

    async def parked(self, domain: str, name: str, *, limit: int = 100) -> Sequence[ParkedEvent]:
        """The events that a subscription set aside, by position."""
        found = [event for _, row in self._of(domain, name) for event in row.parked.values()]
        return sorted(found, key=lambda event: event.position)[:limit]

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
            row.updated = self._now()
        self._freed.bump()

    async def pause(self, domain: str, name: str) -> None:
        """Let no process claim a subscription until it is resumed."""
        for _, row in self._of(domain, name):
            row.state = "paused"
            self._give_up(row)
        self._freed.bump()

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
            )
            for key, row in self._of(domain)
        ]

    def _of(self, domain: str, name: str | None = None) -> Sequence[tuple[SubscriptionKey, _Row]]:
        rows = [
            (key, row)
            for key, row in self._rows.items()
            if key.domain == domain and name in (None, key.name)
        ]
        return sorted(rows, key=lambda item: astuple(item[0]))

    def _owned(self, claim: Claim) -> _Row:
        row = self._rows.get(claim.key)
        if row is None or (row.owner, row.epoch) != (claim.owner, claim.epoch):
            raise Fenced(claim.key.name)
        return row

    def _move(self, row: _Row, position: int) -> None:
        row.position = max(row.position, position)
        row.updated = self._now()

    def _give_up(self, row: _Row) -> None:
        row.owner = None
        row.lease_until = None
        row.updated = self._now()
