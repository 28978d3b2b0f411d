"""The role of a store that keeps subscriptions: checkpoints, owners and parked events."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from chekov.store.port.event_store import RecordedEvent


@dataclass(frozen=True, slots=True)
class SubscriptionKey:
    """Identifies one partition of a subscription, and of a projection one build of its tables."""

    domain: str
    name: str
    version: int = 1
    """Of a projection; a new version starts from the origin, with tables of its own."""
    partition: int = 0
    generation: int = 1
    """Of a projection; each rebuild of a version has tables and a checkpoint of its own."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Ownership of a subscription, valid while its epoch is the newest."""

    key: SubscriptionKey
    owner: str
    epoch: int
    position: int
    """The checkpoint when the claim was made or last renewed."""
    registered: int = 0
    """The position of the last event when the subscription was registered."""
    building: bool = False
    """Whether it builds a generation of a projection that does not serve yet."""


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that one subscription set aside."""

    key: SubscriptionKey
    position: int
    stream: str
    type: str
    attempts: int
    error: str
    time: datetime


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """The state of a subscription."""

    key: SubscriptionKey
    position: int
    owner: str | None
    epoch: int
    state: Literal["running", "paused", "stopped"]
    error: str | None
    parked: int
    updated: datetime
    building: bool = False
    """Whether it builds a generation of a projection that does not serve yet."""


class Subscriptions(Protocol):
    """Stores checkpoints, owners and parked events; every write is fenced by the claim's epoch."""

    async def register(self, keys: Collection[SubscriptionKey], *, start: int = 0) -> None:
        """Add those of `keys` that are new, with their checkpoint at `start`."""
        ...

    async def claim(
        self, owner: str, keys: Collection[SubscriptionKey], *, lease: float
    ) -> Sequence[Claim]:
        """Renew the claims of `owner` among `keys`, and claim the free ones, in one statement.

        A subscription is free when it has no owner, or when the lease of its owner, of `lease`
        seconds, expired by the store's clock. A new claim raises the epoch, a renewed one keeps
        it. Paused and stopped subscriptions are neither claimed nor renewed.
        """
        ...

    async def release(self, owner: str, keys: Collection[SubscriptionKey]) -> None:
        """Give up the claims of `owner` among `keys`, and wake the processes that wait for them."""
        ...

    async def save(self, claim: Claim, position: int) -> None:
        """Move the checkpoint forward to `position`; a lower position changes nothing.

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
        """The events that a subscription set aside, by position."""
        ...

    async def stop(self, claim: Claim, error: str) -> None:
        """Stop the subscription for the reason `error`, and give it up.

        Raises:
            Fenced: the claim is stale.
        """
        ...

    async def resume(self, domain: str, name: str) -> None:
        """Let processes claim a paused or stopped subscription again."""
        ...

    async def pause(self, domain: str, name: str) -> None:
        """Let no process claim a subscription until it is resumed; its claims become stale."""
        ...

    async def list(self, domain: str) -> Sequence[SubscriptionRow]:
        """Every subscription of a domain, by name, version, partition and generation."""
        ...
