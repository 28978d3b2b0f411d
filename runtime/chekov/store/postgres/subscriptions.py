"""The role `subscriptions` in Postgres. Every write names the epoch of its claim."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from chekov.errors import Fenced
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
from chekov.store.postgres.claim_lock import lock_numbers
from chekov.store.postgres.listener import free_channel
from chekov.store.postgres.schema import Schema

_LONGEST_ERROR: Final = 10_000


class PostgresSubscriptions:
    """One row per subscription and one per parked event."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._statements = schema.statements("subscriptions")
        self._free_channel = free_channel(schema.name)

    async def register(self, keys: Collection[SubscriptionKey], *, start: int = 0) -> None:
        """Add those of `keys` that are new."""
        await self._fetch("register", *_columns(keys), start)

    async def claim(
        self,
        owner: str,
        keys: Collection[SubscriptionKey],
        *,
        lease: float,
        vanished: Collection[str] = (),
    ) -> Sequence[Claim]:
        """Renew the claims of `owner` among `keys`, and claim the free ones."""
        rows = await self._fetch("claim", *_columns(keys), owner, lease, list(vanished))
        return [Claim(SubscriptionKey(*row[:5]), owner, *row[5:]) for row in map(tuple, rows)]

    async def end_stale(
        self, keys: Collection[SubscriptionKey], *, vanished: Collection[str] = ()
    ) -> int:
        """Roll back the open transactions of former owners."""
        numbers = lock_numbers(self._schema.name, keys)
        rows = await self._fetch("end_stale", *_columns(keys), numbers, list(vanished))
        return len(rows)

    async def release(self, owner: str, keys: Collection[SubscriptionKey]) -> None:
        """Give up the claims of `owner` among `keys`."""
        await self._fetch("release", *_columns(keys), owner, self._free_channel)

    async def save(
        self, claim: Claim, position: int, *, parked: Sequence[ParkingEntry] = ()
    ) -> bool:
        """Move the checkpoint forward to `position`, and set events aside."""
        if parked:
            rows = await self._fetch("park", *owner_of(claim), position, *parking_columns(parked))
        else:
            rows = await self._fetch("save", *owner_of(claim), position)
        check_fenced(claim, rows)
        return rows[0]["building"]

    async def blocked(self, claim: Claim) -> Mapping[str, bool]:
        """Each key with parked events → whether the first of them is to be handled now."""
        return dict(map(tuple, await self._fetch("blocked", *_key_of(claim))))

    async def parked_in_order(
        self, claim: Claim, key: str, *, limit: int = 100
    ) -> Sequence[ParkedEvent]:
        """The first parked events of a key, by position."""
        return _parked(await self._fetch("parked_in_order", *_key_of(claim), key, limit))

    async def retried(self, claim: Claim, *, after: int) -> Collection[str]:
        """The keys of events that somebody retried after so many changes."""
        return [key for (key,) in await self._fetch("retried", *_key_of(claim), after)]

    async def unpark(self, claim: Claim, position: int) -> None:
        """Remove a parked event: it has been handled."""
        check_fenced(claim, await self._fetch("unpark", *owner_of(claim), position))

    async def park_again(self, claim: Claim, position: int, failure: Failure) -> None:
        """Note that a parked event failed again."""
        rows = await self._fetch(
            "park_again",
            *owner_of(claim),
            position,
            failure.attempts,
            storable_text(failure.error),
            storable_text(failure.fingerprint),
            storable_text(failure.traceback),
        )
        check_fenced(claim, rows)

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
        return _parked(
            await self._fetch("parked", domain, name, *_conditions(filter), after, limit)
        )

    async def parked_groups(self, domain: str, name: str) -> Sequence[ParkedGroup]:
        """The failed events of a subscription by fingerprint, the most frequent first."""
        return [ParkedGroup(*row) for row in await self._fetch("parked_groups", domain, name)]

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
        chosen = (domain, name, *_conditions(filter), after, limit, ["failed", "retrying"])
        rows = await self._fetch("retry_parked", *chosen, self._free_channel, replay)
        return [position for (position,) in rows]

    async def still_parked(self, domain: str, name: str, replay: str) -> Mapping[ParkedState, int]:
        """How many events that a replay retried are parked, by state."""
        return dict(map(tuple, await self._fetch("still_parked", domain, name, replay)))

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
        chosen = (domain, name, *_conditions(filter), after, limit, ["failed"])
        rows = await self._fetch(
            "discard_parked", *chosen, self._free_channel, "", storable_text(reason)
        )
        return [position for (position,) in rows]

    async def discarded(
        self, domain: str, name: str, *, after: int = 0, limit: int = 100
    ) -> Sequence[DiscardedEvent]:
        """Discarded and skipped events above the position `after`, by position."""
        rows = await self._fetch("discarded", domain, name, after, limit)
        return [DiscardedEvent(SubscriptionKey(*row[:5]), *row[5:]) for row in map(tuple, rows)]

    async def failed(self, domain: str, *, first: int, last: int) -> Mapping[SubscriptionKey, bool]:
        """The subscriptions that set an event from `first` to `last` aside → whether for good."""
        rows = await self._fetch("failed", domain, first, last)
        return {SubscriptionKey(*row[:5]): row[5] for row in map(tuple, rows)}

    async def stop(self, claim: Claim, error: str) -> None:
        """Stop the subscription and give it up."""
        rows = await self._fetch("stop", *owner_of(claim), storable_text(error), self._free_channel)
        check_fenced(claim, rows)

    async def resume(self, domain: str, name: str) -> None:
        """Let processes claim a paused or stopped subscription again."""
        await self._fetch("resume", domain, name, self._free_channel)

    async def pause(self, domain: str, name: str, *, by: str = "") -> None:
        """Let no process claim a subscription until it is resumed."""
        await self._fetch("pause", domain, name, self._free_channel, storable_text(by))

    async def remove(self, domain: str, name: str, version: int) -> bool:
        """Remove a version of a subscription with all that belongs to it."""
        [(removed,)] = await self._fetch("remove", domain, name, version)
        return bool(removed)

    async def list(self, domain: str) -> Sequence[SubscriptionRow]:
        """Every subscription of a domain, by name, version, partition and generation."""
        return subscription_rows(await self._fetch("subscriptions", domain))

    async def _fetch(self, statement: str, *values: object) -> Sequence[Any]:
        return await self._schema.fetch(self._statements[statement], *values)


def subscription_rows(rows: Sequence[Any]) -> Sequence[SubscriptionRow]:
    """Rows of the statement `subscriptions`."""
    return [SubscriptionRow(SubscriptionKey(*row[:5]), *row[5:]) for row in map(tuple, rows)]


def _columns(keys: Collection[SubscriptionKey]) -> tuple[list[Any], ...]:
    return (
        [key.domain for key in keys],
        [key.name for key in keys],
        [key.version for key in keys],
        [key.partition for key in keys],
        [key.generation for key in keys],
    )


def owner_of(claim: Claim) -> tuple[object, ...]:
    """The first parameters of every statement that writes under a claim."""
    return *_key_of(claim), claim.owner, claim.epoch


def _key_of(claim: Claim) -> tuple[object, ...]:
    key = claim.key
    return key.domain, key.name, key.version, key.partition, key.generation


def parking_columns(entries: Sequence[ParkingEntry]) -> tuple[list[Any], ...]:
    """The last parameters of the statement `park`."""
    failures = [entry.failure or Failure(0, "") for entry in entries]
    return (
        [entry.event.position for entry in entries],
        [entry.key for entry in entries],
        [entry.event.stream for entry in entries],
        [entry.event.type for entry in entries],
        [entry.state for entry in entries],
        [failure.attempts for failure in failures],
        [storable_text(failure.error) for failure in failures],
        [storable_text(failure.fingerprint) for failure in failures],
        [storable_text(failure.traceback) for failure in failures],
        [None if entry.discarded is None else storable_text(entry.discarded) for entry in entries],
        [json.dumps(entry.also) for entry in entries],
    )


def _conditions(filter: ParkedFilter) -> tuple[object, ...]:
    return filter.key, filter.fingerprint, filter.position


def _parked(rows: Sequence[Any]) -> Sequence[ParkedEvent]:
    return [
        ParkedEvent(SubscriptionKey(*row[:5]), *row[5:-1], also=tuple(row[-1]))
        for row in map(tuple, rows)
    ]


def check_fenced(claim: Claim, rows: Sequence[object]) -> None:
    """Check that a statement under a claim changed its row.

    Raises:
        Fenced: it did not, so the claim is stale.
    """
    if not rows:
        raise Fenced(claim.key.name)


def storable_text(error: str) -> str:
    """Text that Postgres can store."""
    return error.replace("\0", "\ufffd").encode(errors="replace").decode()[:_LONGEST_ERROR]
