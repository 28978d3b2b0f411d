"""The role of a store that knows into how many partitions each subscription is divided."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from chekov.domain.partitioning import BY_STREAM
from chekov.errors import StoreError
from chekov.store.port.subscription_key import SubscriptionKey


class RewindRefused(StoreError):
    """A subscription cannot begin again as things are; nothing has changed."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The partitions of a subscription.

    Attributes:
        key: of its first partition.
        partitions: how many there are.
        changes: how often that changed.
        keyed_by: what tells whether a release has the same keys; see `HandlerDefinition.keyed_by`.
        until: the position at which each partition is to stop, so that all are at one when another
            release, with other keys, goes on; `None` if they go on as they are.
        former: for each former layout that the partitions have not caught up with, the checkpoint
            of each of its partitions when it was given up. An event is handled if its position is
            at or below the checkpoint of its partition in one of them. All have the same keys.
    """

    key: SubscriptionKey
    partitions: int
    changes: int = 0
    former: tuple[tuple[int, ...], ...] = ()
    keyed_by: str = BY_STREAM
    until: int | None = None


class ParkedPlace(NamedTuple):
    """Where a parked event belongs to when its subscription has other keys."""

    key: str
    partition: int


class Layouts(Protocol):
    """Keeps what the checkpoints of a subscription belong to: how many partitions, by which keys.

    Each change fences off every owner that the subscription had, and wakes whoever waits for
    subscriptions. It is done only while all partitions are free and running, and the layout is as
    it was given; otherwise nothing is changed, and `False` is returned.
    """

    async def divide(
        self, key: SubscriptionKey, partitions: int, *, keyed_by: str = BY_STREAM
    ) -> Layout:
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
        """Divide a subscription anew, by the same keys; its partitions stop nowhere any more.

        Each new partition starts at the lowest checkpoint of the former ones, which are kept, and
        what is parked moves with its key.

        Args:
            layout: as it is now.
            partitions: how many there are to be.
            place: returns the new partition of a parked event's key.
            vanished: owners that are gone although their leases are not over.

        Returns:
            Whether it was done.
        """
        ...

    async def bring_together(self, layout: Layout, *, vanished: Collection[str] = ()) -> bool:
        """Let each partition stop where the log ends now.

        Args:
            layout: as it is now.
            vanished: as in `change`.

        Returns:
            Whether it was done.
        """
        ...

    async def rekey(
        self,
        layout: Layout,
        partitions: int,
        keyed_by: str,
        parked: Mapping[int, ParkedPlace],
        *,
        vanished: Collection[str] = (),
    ) -> bool:
        """Divide a subscription anew, by other keys.

        Each new partition starts at the lowest checkpoint of the former ones: what these handled
        above it is handled again, since nobody can say by the new keys what that was.

        Args:
            layout: as it is now.
            partitions: how many there are to be.
            keyed_by: tells the new keys from others.
            parked: position of each parked event → where it belongs to.
            vanished: as in `change`.

        Returns:
            Whether it was done. It is not when an event is parked that `parked` does not have.
        """
        ...

    async def rewind(self, key: SubscriptionKey, position: int, *, replay: str = "") -> None:
        """Let an event handler begin again after a position, whoever owns it.

        Each partition that is past it goes back there. What is parked above it is forgotten, since
        it is handled again. Whoever paused or stopped the subscription is not overruled.

        Args:
            key: of its first partition.
            position: the new checkpoint.
            replay: names the request; one that was carried out is not carried out again.

        Raises:
            RewindRefused: there is no such event handler, or its keys are being changed.
        """
        ...


def no_handler(key: SubscriptionKey) -> RewindRefused:
    """Why what has no layout cannot begin again."""
    return RewindRefused(
        f"the store has no event handler {key.name} {key.version}: a projection is rebuilt, and a "
        "process manager cannot begin again, since it would send its commands again"
    )


def keys_changing(key: SubscriptionKey) -> RewindRefused:
    """Why what is being divided by other keys cannot begin again now."""
    return RewindRefused(
        f"the keys that {key.name} {key.version} is divided by are being changed: try again once "
        "all of its partitions have come to one position"
    )


def still_needed(
    former: Sequence[Sequence[int]], positions: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    """The former layouts that partitions with these checkpoints have not caught up with."""
    lowest = min(positions, default=0)
    return tuple(tuple(item) for item in former if max(item) > lowest)
