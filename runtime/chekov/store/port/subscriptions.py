"""The role of a store that keeps subscriptions: checkpoints, owners and parked events."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from chekov.store.port.event_store import RecordedEvent


@dataclass(frozen=True, slots=True)
class SubscriptionKey:
    """Names one partition of a subscription."""

    domain: str
    name: str
    version: int = 1
    """Of a projection: a new version starts from the origin with tables of its own."""
    partition: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """Ownership of a subscription, worth something as long as its epoch is the newest."""

    key: SubscriptionKey
    owner: str
    epoch: int
    position: int
    """Where the checkpoint stood when it was claimed or last renewed."""
    registered: int = 0
    """The position of the last event when the subscription was registered."""


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that was set aside for one subscription."""

    key: SubscriptionKey
    position: int
    stream: str
    type: str
    attempts: int
    error: str
    time: datetime


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """A subscription as every process can see it in the store."""

    key: SubscriptionKey
    position: int
    owner: str | None
    epoch: int
    state: Literal["running", "paused", "stopped"]
    error: str | None
    parked: int
    updated: datetime


class Subscriptions(Protocol):
    """Keeps checkpoints, owners and parked events; every write is fenced by the claim's epoch."""

    async def register(self, keys: Collection[SubscriptionKey], *, start: int = 0) -> None:
        """Make rows for those of `keys` that have none, with the checkpoint at `start`."""
        ...

    async def claim(
        self, owner: str, keys: Collection[SubscriptionKey], *, lease: float
    ) -> Sequence[Claim]:
        """Renew what `owner` holds of `keys` and take what is free, in one statement.

        A row is free when nobody owns it or its lease of `lease` seconds ran out by the store's
        clock. Taking raises the epoch; renewing keeps it. Rows whose state is paused or stopped
        are neither taken nor renewed.
        """
        ...

    async def release(self, owner: str, keys: Collection[SubscriptionKey]) -> None:
        """Give up what `owner` holds of `keys`, and wake the processes that wait for it."""
        ...

    async def save(self, claim: Claim, position: int) -> None:
        """Move the checkpoint forward to `position`; a lower one changes nothing.

        Raises:
            Fenced: the claim is stale.
        """
        ...

    async def park(self, claim: Claim, event: RecordedEvent, *, attempts: int, error: str) -> None:
        """Set `event` aside and move the checkpoint past it, in one transaction.

        Raises:
            Fenced: the claim is stale.
        """
        ...

    async def parked(self, domain: str, name: str, *, limit: int = 100) -> Sequence[ParkedEvent]:
        """The events set aside for a subscription, by position."""
        ...

    async def stop(self, claim: Claim, error: str) -> None:
        """Mark the subscription stopped, with the reason, and give it up.

        Raises:
            Fenced: the claim is stale.
        """
        ...

    async def resume(self, domain: str, name: str) -> None:
        """Let a paused or stopped subscription run again."""
        ...

    async def pause(self, domain: str, name: str) -> None:
        """Let no process run this subscription until it is resumed; its claims become stale."""
        ...

    async def list(self, domain: str) -> Sequence[SubscriptionRow]:
        """Every subscription of a domain, by name, version and partition."""
        ...
