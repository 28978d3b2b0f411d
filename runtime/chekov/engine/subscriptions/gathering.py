"""What a subscription is to handle next, from wherever it is read."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.engine.subscriptions.invocation import Invocation
from chekov.engine.subscriptions.page_reader import PageReader
from chekov.engine.subscriptions.sparse_reader import SparseReader
from chekov.store.port import RecordedEvent, Store

_STOPPED_SECONDS: Final = 0.2
"""Between looks at what is parked, of a partition that goes no further."""


class Gathered(NamedTuple):
    """Events above a checkpoint.

    Attributes:
        end: everything up to here is handled once these events are.
        absent: how many positions up to `end` have no event.
        far: whether they lie far below the head.
    """

    events: Sequence[RecordedEvent]
    end: int
    absent: int
    far: bool


async def gathered(
    log: PageReader,
    sparse: SparseReader,
    store: Store,
    invocation: Invocation,
    checkpoint: Checkpoint,
) -> Gathered:
    """Return the events above the checkpoint, once they are as many as the handler wants.

    Near the head they are fewer when it has waited long enough for more, or the claim has ended;
    and there are none, after a pause, when the partition has arrived where it is to stop.

    Raises:
        StoreUnavailable: the database is away.
    """
    position, until = checkpoint.position, invocation.until
    if until is not None:
        if position >= until:
            await checkpoint.pause(_STOPPED_SECONDS)
            return Gathered((), position, 0, far=False)
        found = await _gathered(log, sparse, store, invocation, checkpoint)
        events = [event for event in found.events if event.position <= until]
        end = min(found.end, until)
        return Gathered(events, end, found.absent if end == found.end else 0, far=found.far)
    return await _gathered(log, sparse, store, invocation, checkpoint)


async def _gathered(
    log: PageReader,
    sparse: SparseReader,
    store: Store,
    invocation: Invocation,
    checkpoint: Checkpoint,
) -> Gathered:
    position = checkpoint.position
    if (page := await sparse.after(position)) is not None:
        log.close()
        return Gathered(page.events, page.through, 0, far=True)
    now = asyncio.get_running_loop().time
    asked_at = now()
    events = await log.after(position)
    while events and checkpoint.open and not log.far:
        left = asked_at + invocation.patience(events) - now()
        if left <= 0:
            break
        await store.wait("events", events[-1].position, left)
        events = await log.after(position)
    end = events[-1].position if events else position
    return Gathered(events, end, end - position - len(events), far=log.far)
