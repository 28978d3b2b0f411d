"""Waiting for more events near the head of the log, for a handler that takes them in batches."""

import asyncio
from collections.abc import Sequence

from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.engine.subscriptions.invocation import Invocation
from chekov.engine.subscriptions.page_reader import PageReader
from chekov.store.port import RecordedEvent, Store


async def gathered(
    log: PageReader, store: Store, invocation: Invocation, checkpoint: Checkpoint
) -> Sequence[RecordedEvent]:
    """Return the events above the checkpoint, once they are as many as the handler wants.

    They are fewer when it has waited long enough for more, or the claim has ended.

    Raises:
        StoreUnavailable: the database is away.
    """
    now = asyncio.get_running_loop().time
    asked_at = now()
    events = await log.after(checkpoint.position)
    while events and checkpoint.open and not log.far:
        left = asked_at + invocation.patience(events) - now()
        if left <= 0:
            break
        await store.wait("events", events[-1].position, left)
        events = await log.after(checkpoint.position)
    return events
