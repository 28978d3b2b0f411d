"""What is known of one subscription when its plan is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from chekov.store.port import Generation, SubscriptionRow
from chekov_operator.api.fault import Fault
from chekov_operator.api.subscription import Subscription
from chekov_operator.controllers.subscription_rows import rows_of
from chekov_operator.stores.poller import Reading

Change: TypeAlias = Literal["pause", "resume"]
"""What can be done to a subscription in its store."""


@dataclass(frozen=True, slots=True)
class ObservedSubscription:
    """What the store holds of a subscription, and what the status said before.

    Attributes:
        every: the rows of all of its versions and generations.
        rows: those of the version that serves.
        building: the generation of that version that is being built, if one is.
        head: the position of the store's newest event.
        fault: why the store cannot be read, or changed, if so.
        is_read: whether the store has been read since the operator started.
        status: as it was written last.
        carried_out: what has just been changed in the store, which the rows do not show yet.
    """

    every: Sequence[SubscriptionRow] = ()
    rows: Sequence[SubscriptionRow] = ()
    building: Generation | None = None
    head: int = 0
    fault: Fault | None = None
    is_read: bool = True
    status: Mapping[str, object] = field(default_factory=dict[str, object])
    carried_out: Change | None = None


def observed_in(
    reading: Reading | None, wanted: Subscription, status: Mapping[str, object]
) -> ObservedSubscription:
    """What a reading of the store says about one subscription."""
    if reading is None:
        return ObservedSubscription(is_read=False, status=status)
    if reading.progress is None:
        return ObservedSubscription(fault=reading.progress_fault, status=status)
    name = wanted.handler
    own = [
        row
        for row in reading.progress.rows
        if (row.key.domain, row.key.name) == (wanted.domain, name)
    ]
    building = [
        item
        for item in reading.progress.generations
        if (item.key.domain, item.key.name, item.key.version)
        == (wanted.domain, name, wanted.version)
        and item.state == "building"
    ]
    return ObservedSubscription(
        every=own,
        rows=rows_of(own, name, wanted.version),
        building=building[0] if building else None,
        head=reading.progress.head,
        status=status,
    )
