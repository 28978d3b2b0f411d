"""The role of a store that knows into how many partitions each subscription is divided."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from chekov.store.port.subscription_key import SubscriptionKey


@dataclass(frozen=True, slots=True)
class Layout:
    """The partitions of a subscription.

    Attributes:
        key: of its first partition.
        partitions: how many there are.
        changes: how often that changed.
        former: for each former layout that the partitions have not caught up with, the checkpoint
            of each of its partitions when it was given up. An event is handled if its position is
            at or below the checkpoint of its partition in one of them.
    """

    key: SubscriptionKey
    partitions: int
    changes: int = 0
    former: tuple[tuple[int, ...], ...] = ()


class Layouts(Protocol):
    """Keeps the number of partitions that the checkpoints of a subscription belong to."""

    async def divide(self, key: SubscriptionKey, partitions: int) -> Layout:
        """Divide a subscription into so many partitions, unless it is divided already.

        The first call for its domain, name and version decides. Return its layout.
        """
        ...

    async def list(self, domain: str) -> Sequence[Layout]:
        """The layouts of a domain, by name and version."""
        ...

    async def change(
        self,
        layout: Layout,
        partitions: int,
        place: Callable[[str], int],
        *,
        vanished: Collection[str] = (),
    ) -> bool:
        """Divide a subscription anew, and fence off every owner that it had.

        Each new partition starts at the lowest checkpoint of the former ones, which are kept, and
        what is parked moves with its key. Whoever waits for subscriptions is woken.

        Args:
            layout: as it is now.
            partitions: how many there are to be.
            place: returns the new partition of a parked event's key.
            vanished: owners that are gone although their leases are not over.

        Returns:
            Whether it was done. It is not while a partition has an owner, is paused or stopped, or
            is not registered; nor when the layout has changed.
        """
        ...


def still_needed(
    former: Sequence[Sequence[int]], positions: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    """The former layouts that partitions with these checkpoints have not caught up with."""
    lowest = min(positions, default=0)
    return tuple(tuple(item) for item in former if max(item) > lowest)
