"""Checkpoints, owners and parked events of the store in memory."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from chekov.domain.handler import Connection
from chekov.errors import Fenced, StoreError
from chekov.store.port import Claim, ParkedEvent, RecordedEvent, SubscriptionKey, SubscriptionRow
from chekov.store.projection_schema import schema_name


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
    """One row for each key, changed only through a claim that is not stale."""

    def __init__(self, clock: Callable[[], datetime], end: Callable[[], int]) -> None:
        self._now = clock
        self._end = end
        self._rows: dict[SubscriptionKey, _Row] = {}
        self._freed = 0
        self._free_waiters: set[asyncio.Future[None]] = set()

    async def register(self, keys: Collection[SubscriptionKey], *, start: int = 0) -> None:
        """Make rows for those of `keys` that have none."""
        for key in keys:
            self._rows.setdefault(key, _Row(start, self._end(), self._now()))

    async def claim(
        self, owner: str, keys: Collection[SubscriptionKey], *, lease: float
    ) -> Sequence[Claim]:
        """Renew what `owner` holds of `keys` and take what is free."""
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
        """Give up what `owner` holds of `keys`."""
        held = [self._rows[key] for key in keys if key in self._rows]
        mine = [row for row in held if row.owner == owner]
        for row in mine:
            self._give_up(row)
        if mine:
            self._tell_free()

    async def freed(self, seen: int, wait_for: float) -> int:
        """Wait until a subscription may have become free."""
        if self._freed <= seen:
            waiter = asyncio.get_running_loop().create_future()
            self._free_waiters.add(waiter)
            try:
                async with asyncio.timeout(wait_for):
                    await waiter
            except TimeoutError:
                pass
            finally:
                self._free_waiters.discard(waiter)
        return self._freed

    async def save(self, claim: Claim, position: int) -> None:
        """Move the checkpoint forward to `position`."""
        self._move(self._owned(claim), position)

    def transaction(
        self, claim: Claim, position: int, *, search_path: str | None = None
    ) -> AbstractAsyncContextManager[Connection]:
        """Refused: there is no database here."""
        del claim, position, search_path
        raise StoreError(
            "the store in memory has no tables for projections: use Postgres, in tests the one "
            "that chekov.embedded_postgres starts"
        )

    async def park(self, claim: Claim, event: RecordedEvent, *, attempts: int, error: str) -> None:
        """Set `event` aside and move the checkpoint past it."""
        row = self._owned(claim)
        row.parked[event.position] = ParkedEvent(
            claim.key, event.position, event.stream, event.type, attempts, error, self._now()
        )
        self._move(row, event.position)

    async def parked(self, domain: str, name: str, *, limit: int = 100) -> Sequence[ParkedEvent]:
        """The events set aside for a subscription, by position."""
        found = [event for _, row in self._of(domain, name) for event in row.parked.values()]
        return sorted(found, key=lambda event: event.position)[:limit]

    async def stop(self, claim: Claim, error: str) -> None:
        """Mark the subscription stopped and give it up."""
        row = self._owned(claim)
        row.state = "stopped"
        row.error = error
        self._give_up(row)
        self._tell_free()

    async def resume(self, domain: str, name: str) -> None:
        """Let a paused or stopped subscription run again."""
        for _, row in self._of(domain, name):
            row.state = "running"
            row.error = None
            row.updated = self._now()
        self._tell_free()

    async def pause(self, domain: str, name: str) -> None:
        """Let no process run this subscription until it is resumed."""
        for _, row in self._of(domain, name):
            row.state = "paused"
            self._give_up(row)
        self._tell_free()

    async def subscriptions(self, domain: str) -> Sequence[SubscriptionRow]:
        """Every subscription of a domain, by name, version and partition."""
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

    async def create_tables(self, schema_name: str, tables: str) -> None:
        """Refused: there is no database here."""
        del tables
        raise StoreError(f"the store in memory cannot hold the tables of {schema_name!r}")

    def schema_for(self, key: SubscriptionKey) -> str:
        """Name of the database schema that a projection's tables would live in."""
        return schema_name("chekov", key)

    def read_connection(
        self, *, search_path: str | None = None
    ) -> AbstractAsyncContextManager[Connection]:
        """Refused: there is no database here."""
        del search_path
        raise StoreError("the store in memory has no tables to query: use Postgres")

    def _of(self, domain: str, name: str | None = None) -> list[tuple[SubscriptionKey, _Row]]:
        rows = [
            (key, row)
            for key, row in self._rows.items()
            if key.domain == domain and name in (None, key.name)
        ]
        return sorted(rows, key=lambda item: (item[0].name, item[0].version, item[0].partition))

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

    def _tell_free(self) -> None:
        self._freed += 1
        for waiter in self._free_waiters:
            if not waiter.done():
                waiter.set_result(None)
