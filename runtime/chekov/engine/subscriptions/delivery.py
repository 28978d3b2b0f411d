"""Passing events to a handler, with retries of those that it fails on."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from chekov.engine.observer import DeliveryOutcome, Observer
from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.engine.subscriptions.invocation import HandlerFailed, Invocation
from chekov.engine.subscriptions.parking import Parking, Stopped
from chekov.engine.subscriptions.retry import Retry
from chekov.serialization.codec import decode_metadata
from chekov.store.port import RecordedEvent

_MOST_SECONDS: Final = 0.005
"""For how long a subscription may keep the event loop."""


class Delivery:
    """Passes events to one handler, and retries those that it fails on.

    Attributes:
        retrying: why the event at hand is tried again, or `None`.
    """

    def __init__(
        self,
        invocation: Invocation,
        parking: Parking,
        observer: Observer,
        retry: Retry,
    ) -> None:
        self._invocation = invocation
        self._key = invocation.key
        self._parking = parking
        self._observer = observer
        self._retry = retry
        self._yield_at = 0.0
        self.retrying: str | None = None

    async def deliver(self, checkpoint: Checkpoint, events: Sequence[RecordedEvent]) -> bool:
        """Handle every event that concerns the handler, in order.

        Returns:
            Whether all were handled before `checkpoint` ended.

        Raises:
            Fenced: another process owns the subscription.
            Stopped: an event keeps failing and the policy is to stop.
            StoreUnavailable: the database is away; the outcome of the event at hand is unknown.
        """
        wanted = self._invocation.wanted(events)
        size = self._invocation.batch_size
        start = alone = 0
        while start < len(wanted):
            if not checkpoint.open:
                return False
            batch = wanted[start : start + (1 if start < alone else size)]
            try:
                start += await self._attempt(checkpoint, batch, attempt=1)
            except HandlerFailed as failed:
                start += failed.done
                if self._invocation.atomic and len(batch) > 1:
                    # Which event is at fault is found by handling them one by one.
                    alone = start + len(batch)
                elif await self._retried(checkpoint, wanted[start], failed):
                    start += 1
            if checkpoint.due:
                await checkpoint.save()
            await self._yield()
        return True

    async def _yield(self) -> None:
        """Let the process do something else now and then, also while no handler awaits anything.

        Ten subscriptions that caught up kept the loop for 200 ms at a time: claims ran out before
        they were renewed, and commands waited as long.
        """
        now = time.monotonic()
        if now >= self._yield_at:
            await asyncio.sleep(0)
            self._yield_at = time.monotonic() + _MOST_SECONDS

    async def _retried(
        self, checkpoint: Checkpoint, event: RecordedEvent, failed: HandlerFailed
    ) -> bool:
        """Retry an event until it is handled or parked; False when `checkpoint` ended before."""
        attempt = 1
        backoff = self._retry.backoff()
        try:
            while failed.excused or (attempt < self._retry.attempts and not failed.hopeless):
                attempt += not failed.excused
                self.retrying = str(failed)
                self._report("retried", (event,), 0.0)
                if not await checkpoint.pause(backoff.next()):
                    return False
                try:
                    await self._attempt(checkpoint, (event,), attempt=attempt)
                except HandlerFailed as again:
                    failed = again
                else:
                    return True
            await self._give_up(checkpoint, event, failed, attempt)
        finally:
            self.retrying = None
        return True

    async def _attempt(
        self, checkpoint: Checkpoint, events: Sequence[RecordedEvent], *, attempt: int
    ) -> int:
        started = time.perf_counter()
        metadata = decode_metadata(events[0].metadata)
        done = 0
        try:
            with self._observer.delivery(self._key, events, metadata):
                done = await self._invocation.invoke(checkpoint, events, attempt=attempt)
        except HandlerFailed as failed:
            done = failed.done
            raise
        finally:
            if done:
                self._report("handled", events[:done], time.perf_counter() - started)
        return done

    async def _give_up(
        self, checkpoint: Checkpoint, event: RecordedEvent, failed: HandlerFailed, attempts: int
    ) -> None:
        try:
            await self._parking.give_up(checkpoint, event, failed, attempts)
        except Stopped:
            self._report("stopped", (event,), 0.0)
            raise
        self._report("parked", (event,), 0.0)

    def _report(
        self, outcome: DeliveryOutcome, events: Sequence[RecordedEvent], seconds: float
    ) -> None:
        age = (datetime.now(UTC) - events[-1].time).total_seconds()
        self._observer.delivered(self._key, outcome, len(events), seconds, age)
