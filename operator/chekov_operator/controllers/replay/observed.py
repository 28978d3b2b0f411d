"""What is known of a Replay when its plan is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chekov.store.port import Generation, SubscriptionRow
from chekov_operator.api.fault import Fault
from chekov_operator.api.subscription import Subscription
from chekov_operator.stores.poller import Reading


@dataclass(frozen=True, slots=True)
class ObservedReplay:
    """What belongs to a Replay.

    Attributes:
        target: the Subscription that it names, if that exists.
        bundle_fault: why the bundle of that is not ready, if so.
        others: the names of Replays of the same subscription that are under way.
        rows: of the subscription in the store, of the version that serves.
        generations: of that version, if it is a projection.
        still_parked: of the events that it retried, how many are parked, by state; `None` if the
            store was not asked.
        done: what has just been carried out in the store, which the rows need not show yet.
        refused: why the store has just refused it, if so.
        unreachable: why the store cannot be read or changed, if so.
        is_read: whether the store has been read since the operator started.
        status: as it was written last.
        now: the time in seconds since the epoch.
    """

    target: Subscription | None = None
    bundle_fault: str = ""
    others: Sequence[str] = ()
    rows: Sequence[SubscriptionRow] = ()
    generations: Sequence[Generation] = ()
    still_parked: Mapping[str, int] | None = None
    done: Mapping[str, object] | None = None
    refused: Fault | None = None
    unreachable: Fault | None = None
    is_read: bool = True
    status: Mapping[str, object] = field(default_factory=dict[str, object])
    now: float = 0.0


def rows_and_generations(
    reading: Reading | None, target: Subscription
) -> tuple[Sequence[SubscriptionRow], Sequence[Generation]]:
    """What a reading of the store has of the version of a subscription that serves."""
    progress = reading.progress if reading else None
    if progress is None:
        return (), ()
    wanted = target.domain, target.handler, target.version
    return (
        [r for r in progress.rows if (r.key.domain, r.key.name, r.key.version) == wanted],
        [g for g in progress.generations if (g.key.domain, g.key.name, g.key.version) == wanted],
    )
