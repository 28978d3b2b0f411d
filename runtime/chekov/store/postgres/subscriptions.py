"""The role `subscriptions` in Postgres. Every write names the epoch of its claim."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from chekov.errors import Fenced
from chekov.store.port import Claim, ParkedEvent, RecordedEvent, SubscriptionKey, SubscriptionRow
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
        self, owner: str, keys: Collection[SubscriptionKey], *, lease: float
    ) -> Sequence[Claim]:
        """Renew the claims of `owner` among `keys`, and claim the free ones."""
        rows = await self._fetch("claim", *_columns(keys), owner, lease)
        return [Claim(SubscriptionKey(*row[:5]), owner, *row[5:]) for row in map(tuple, rows)]

    async def release(self, owner: str, keys: Collection[SubscriptionKey]) -> None:
        """Give up the claims of `owner` among `keys`."""
        await self._fetch("release", *_columns(keys), owner, self._free_channel)

    async def save(self, claim: Claim, position: int) -> None:
        """Move the checkpoint forward to `position`."""
        check_fenced(claim, await self._fetch("save", *owner_of(claim), position))

    async def park(self, claim: Claim, event: RecordedEvent, *, attempts: int, error: str) -> None:
        """Set `event` aside and move the checkpoint past it."""
        rows = await self._fetch(
            "park",
            *owner_of(claim),
            event.position,
            event.stream,
            event.type,
            attempts,
            _text(error),
        )
        check_fenced(claim, rows)

    async def parked(self, domain: str, name: str, *, limit: int = 100) -> Sequence[ParkedEvent]:
        """The events that a subscription set aside, by position."""
        rows = await self._fetch("parked", domain, name, limit)
        return [ParkedEvent(SubscriptionKey(*row[:5]), *row[5:]) for row in map(tuple, rows)]

    async def stop(self, claim: Claim, error: str) -> None:
        """Stop the subscription and give it up."""
        rows = await self._fetch("stop", *owner_of(claim), _text(error), self._free_channel)
        check_fenced(claim, rows)

    async def resume(self, domain: str, name: str) -> None:
        """Let processes claim a paused or stopped subscription again."""
        await self._fetch("resume", domain, name, self._free_channel)

    async def pause(self, domain: str, name: str) -> None:
        """Let no process claim a subscription until it is resumed."""
        await self._fetch("pause", domain, name, self._free_channel)

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
    key = claim.key
    return (
        key.domain,
        key.name,
        key.version,
        key.partition,
        key.generation,
        claim.owner,
        claim.epoch,
    )


def check_fenced(claim: Claim, rows: Sequence[object]) -> None:
    """Check that a statement under a claim changed its row.

    Raises:
        Fenced: it did not, so the claim is stale.
    """
    if not rows:
        raise Fenced(claim.key.name)


def _text(error: str) -> str:
    """Text that Postgres can store."""
    return error.replace("\0", "\ufffd").encode(errors="replace").decode()[:_LONGEST_ERROR]
