"""The role of a store that keeps subscriptions: checkpoints, owners and parked events."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from chekov.domain.partitioning import BY_STREAM
from chekov.store.port.parking import (
    ALL_PARKED,
    DiscardedEvent,
    Failure,
    ParkedEvent,
    ParkedFilter,
    ParkedGroup,
    ParkedState,
    ParkingEntry,
)
from chekov.store.port.subscription_key import SubscriptionKey


@dataclass(frozen=True, slots=True)
class Claim:
    """Ownership of a subscription, valid while its epoch is the newest."""

    key: SubscriptionKey
    owner: str
    epoch: int
    position: int
    """The checkpoint when the claim was made or last renewed."""
    registered: int = 0
    """The position of the last event when the subscription was registered.

    Of a generation that was built beside another, the position where it took over.
    """
    building: bool = False
    """Whether it builds a generation of a projection that does not serve yet."""
    last_failed: int = 0
    """The highest position that was parked or skipped when the claim was made or last renewed."""
    parked_changes: int = 0
    """How often somebody retried or discarded parked events of the subscription."""


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """The state of a subscription.

    Attributes:
        parked: how many events are parked.
        parked_keys: how many keys they block.
        last_failed: the highest position that was parked or skipped.
    """

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
    parked_keys: int = 0
    last_failed: int = 0
    keyed_by: str = BY_STREAM
    """What its partitions are divided by; see `Layout`."""
    registered: int = 0
    """As in `Claim`; after a rewind, at least where it had been."""
    paused_by: str = ""
    """Who paused it, as far as that was said."""
    replay: str = ""
    """The replay for which it was last rewound."""


class Subscriptions(Protocol):
    """Stores checkpoints, owners and parked events; every write is fenced by the claim's epoch."""

    async def register(self, keys: Collection[SubscriptionKey], *, start: int = 0) -> None:
        """Add those of `keys` that are new, with their checkpoint at `start`.

        Partitions that the layout of their subscription does not have are left out.
        """
        ...

    async def claim(
        self,
        owner: str,
        keys: Collection[SubscriptionKey],
        *,
        lease: float,
        vanished: Collection[str] = (),
    ) -> Sequence[Claim]:
        """Renew the claims of `owner` among `keys`, and claim the free ones, in one statement.

        A subscription is free when it has no owner, when the lease of its owner, of `lease`
        seconds, expired by the store's clock, or when its owner is one of `vanished`. A new claim
        raises the epoch, a renewed one keeps it. Paused and stopped subscriptions are neither
        claimed nor renewed.
        """
        ...

    async def end_stale(
        self, keys: Collection[SubscriptionKey], *, vanished: Collection[str] = ()
    ) -> int:
        """Roll back the open transactions of former owners of `keys`, and return how many.

        Such is a transaction under an older epoch than the newest, or one under the newest while
        its owner's lease is over or it is one of `vanished`. Whatever these transactions locked,
        their owners, stopped or cut off, would keep from the next ones.
        """
        ...

    async def release(self, owner: str, keys: Collection[SubscriptionKey]) -> None:
        """Give up the claims of `owner` among `keys`, and wake the processes that wait for them."""
        ...

    async def save(
        self, claim: Claim, position: int, *, parked: Sequence[ParkingEntry] = ()
    ) -> bool:
        """Move the checkpoint forward to `position`, and set events aside, in one transaction.

        A lower position changes no checkpoint.

        Returns:
            Whether it builds a generation of a projection that does not serve even then.

        Raises:
            Fenced: the claim is stale.
        """
        ...

    async def blocked(self, claim: Claim) -> Mapping[str, bool]:
        """Each key with parked events → whether the first of them is to be handled now.

        That is so when it has not failed, or when somebody retried it. If it has several keys, it
        may yet have to wait until it is the first one of each.
        """
        ...

    async def parked_in_order(
        self, claim: Claim, key: str, *, limit: int = 100
    ) -> Sequence[ParkedEvent]:
        """The first parked events of a key, by position; also those that have it among others."""
        ...

    async def retried(self, claim: Claim, *, after: int) -> Collection[str]:
        """The keys of events that somebody retried after so many `Claim.parked_changes`."""
        ...

    async def unpark(self, claim: Claim, position: int) -> None:
        """Remove a parked event: it has been handled.

        Raises:
            Fenced: the claim is stale, or somebody discarded the event.
        """
        ...

    async def park_again(self, claim: Claim, position: int, failure: Failure) -> None:
        """Note that a parked event failed again; the attempts add up.

        Raises:
            Fenced: the claim is stale, or somebody discarded the event.
        """
        ...

    async def parked(
        self,
        domain: str,
        name: str,
        *,
        filter: ParkedFilter = ALL_PARKED,
        after: int = 0,
        limit: int = 100,
    ) -> Sequence[ParkedEvent]:
        """Parked events above the position `after`, by position.

        They may be more than `limit` when several versions or partitions parked the last one.
        """
        ...

    async def parked_groups(self, domain: str, name: str) -> Sequence[ParkedGroup]:
        """The failed events of a subscription by fingerprint, the most frequent first."""
        ...

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
        """Let the owners handle failed events again, and return the positions of these events.

        Those that wait for their next attempt are handled now. It takes the first `limit` above the
        position `after`, by position, without those that the replay of this name retried before.
        """
        ...

    async def still_parked(self, domain: str, name: str, replay: str) -> Mapping[ParkedState, int]:
        """How many of the events that a replay retried are parked, by state."""
        ...

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
        """Give failed events up for a reason, which is kept, and return their positions.

        What they blocked is handled next. It takes the first `limit` above the position `after`, by
        position.
        """
        ...

    async def discarded(
        self, domain: str, name: str, *, after: int = 0, limit: int = 100
    ) -> Sequence[DiscardedEvent]:
        """Discarded and skipped events above the position `after`, by position."""
        ...

    async def failed(self, domain: str, *, first: int, last: int) -> Mapping[SubscriptionKey, bool]:
        """The subscriptions that set an event from `first` to `last` aside → whether for good.

        That is so if it was skipped or discarded, or if it waits for somebody, or waits after what
        does: an event of one of its keys, or an input of its instance that was set aside. Otherwise
        it is handled again without anybody's doing, and so are those that wait after it.
        """
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

    async def pause(self, domain: str, name: str, *, by: str = "") -> None:
        """Let no process claim a subscription until it is resumed; its claims become stale.

        Args:
            domain: of the subscription.
            name: of the subscription.
            by: who does it; whoever did it last is kept.
        """
        ...

    async def remove(self, domain: str, name: str, version: int) -> bool:
        """Remove a version of a subscription with all that belongs to it.

        That is its partitions and layout, what is parked, and what a process manager has under way.
        What was discarded stays recorded, and so do the tables of projections.

        Returns:
            Whether it was done. It is not while the lease of an owner lasts.
        """
        ...

    async def list(self, domain: str) -> Sequence[SubscriptionRow]:
        """Every subscription of a domain, by name, version, partition and generation."""
        ...
