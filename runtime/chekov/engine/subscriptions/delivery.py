"""Passing events to a handler, with retries of those that it fails on."""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from chekov.domain.failure import Again, Decision, Skip
from chekov.engine.observer import DeliveryOutcome, Observer
from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.engine.subscriptions.invocation import DeliveryFailed, Invocation
from chekov.engine.subscriptions.parking import Parking, Stopped
from chekov.engine.subscriptions.retry import RetryPolicy
from chekov.engine.subscriptions.time_slice import TimeSlice, clock
from chekov.serialization.codec import decode_metadata
from chekov.store.port import RecordedEvent, SubscriptionKey

NEWER_SECONDS: Final = 1.0
"""Between looks at an event of a newer revision, while no process of newer code takes over."""

_log: Final = logging.getLogger(__name__)


class _Numbers(NamedTuple):
    """Which events of a page come next.

    Attributes:
        free: indices of those to handle: no parked event blocks them.
        end: the index after these, and after the blocked ones among and behind them.
    """

    free: Sequence[int]
    end: int


class Delivery:
    """Passes events to one handler, and retries those that it fails on."""

    def __init__(
        self,
        invocation: Invocation,
        parking: Parking,
        observer: Observer,
        policy: RetryPolicy,
    ) -> None:
        self._invocation = invocation
        self._key = invocation.key
        self._parking = parking
        self._observer = observer
        self._policy = policy
        self._slice = TimeSlice()
        self._waits_out: str | None = None
        self._waits_at = 0

    @property
    def retrying(self) -> str | None:
        """Why an event is tried again, now or after a pause; `None` if none is."""
        return self._waits_out or self._parking.pauses.reason

    async def deliver(self, checkpoint: Checkpoint, events: Sequence[RecordedEvent]) -> bool:
        """Handle every event that concerns the handler, in order.

        Returns:
            Whether all were handled: before `checkpoint` ended, before the pause of a key did or
            somebody retried what is parked, and without one of a newer revision, which waits for a
            process of newer code.

        Raises:
            Fenced: another process owns the subscription.
            Stopped: an event keeps failing and the policy is to stop.
            StoreUnavailable: the database is away; the outcome of the event at hand is unknown.
        """
        wanted = self._invocation.pending(events)
        size = self._invocation.batch_size
        start = alone = 0
        while start < len(wanted):
            if not checkpoint.open or self._parking.pauses.due is not None:
                return False
            numbers = self._next(checkpoint, wanted, start, 1 if start < alone else size)
            try:
                batch = [wanted[number] for number in numbers.free]
                done = await self._attempt(checkpoint, batch, attempt=1) if batch else 0
                start = numbers.end if done == len(batch) else numbers.free[done]
                if start == numbers.end and checkpoint.position < wanted[start - 1].position:
                    checkpoint.advance(wanted[start - 1].position)  # blocked, and noted to be
            except DeliveryFailed as failed:
                start = numbers.free[failed.done]
                if failed.together > 1:
                    # Which event is at fault is found by handling them one by one.
                    alone = numbers.free[failed.done + failed.together - 1] + 1
                elif self._invocation.routes.precede(wanted[start].type):
                    await self._wait_for_newer(checkpoint, wanted[start], failed)
                    return False
                elif not await self._retried(checkpoint, wanted[start], failed):
                    return False
                else:
                    start += 1
            if checkpoint.due:
                await checkpoint.save()
            if clock() >= self._slice.ends_at:
                await self._slice.pause()
        return True

    def _next(
        self, checkpoint: Checkpoint, wanted: Sequence[RecordedEvent], start: int, size: int
    ) -> "_Numbers":
        """Choose up to `size` events from `start` on, and note those that are blocked."""
        if not self._parking.keys:
            end = min(start + size, len(wanted))
            checkpoint.unblock(wanted[start:end])
            return _Numbers(range(start, end), end)
        free: list[int] = []
        end = start
        for end, event in enumerate(wanted[start:], start + 1):
            entry = self._parking.entry(event)
            if entry is None:
                free.append(end - 1)
                checkpoint.unblock((event,))
            elif self._parking.hold(checkpoint, entry):
                self._report("parked", (event,), 0.0)
            if len(free) == size or checkpoint.full:
                break
        return _Numbers(free, end)

    async def _wait_for_newer(
        self, checkpoint: Checkpoint, event: RecordedEvent, failed: DeliveryFailed
    ) -> None:
        """Wait before an event that only newer code can read.

        As soon as a node of newer code lives, the subscription is its own. The checkpoint is right
        before the event, so that the partitions that wait for one event are at one position.
        """
        if checkpoint.position < event.position - 1:
            checkpoint.advance(event.position - 1)
            await checkpoint.save()
        if self._waits_at != event.position:
            self._waits_at = event.position
            _log.warning(
                "a subscription waits for a process of newer code",
                extra={
                    "subscription": self._key.name,
                    "position": event.position,
                    "type": event.type,
                },
            )
        self._waits_out = f"waits at {event.position} for a process of newer code: {failed}"
        try:
            await checkpoint.pause(NEWER_SECONDS)
        finally:
            self._waits_out = None

    async def _retried(
        self, checkpoint: Checkpoint, event: RecordedEvent, failed: DeliveryFailed
    ) -> bool:
        """Retry an event until it is handled or set aside.

        It is set aside for a while, too: until its next attempt, if that is not soon.

        Returns:
            False when `checkpoint` ended before, or somebody retried what is parked: then that is
            looked at first, and this event next, whose attempts are counted anew.
        """
        replaying = event.position <= checkpoint.replay_until
        retries = self._policy.begin(event, replaying=replaying)
        try:
            while isinstance(decision := retries.after(failed), Again):
                self._waits_out = str(failed)
                self._report("retried", (event,), 0.0)
                seconds = decision.after
                if not failed.excused and self._parking.may_defer(event, retries, seconds):
                    await self._parking.defer(checkpoint, event, failed, retries, seconds)
                    return True
                if not await checkpoint.await_attempt(decision.after):
                    return False
                try:
                    await self._attempt(checkpoint, (event,), attempt=retries.attempt)
                except DeliveryFailed as again:
                    failed = again
                else:
                    return True
            await self._set_aside(checkpoint, event, failed, decision, retries.attempt)
        finally:
            self._waits_out = None
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
        except DeliveryFailed as failed:
            done = failed.done
            raise
        finally:
            if done:
                self._parking.succeeded(events[:done])
                self._report("handled", events[:done], time.perf_counter() - started)
        return done

    async def _set_aside(
        self,
        checkpoint: Checkpoint,
        event: RecordedEvent,
        failed: DeliveryFailed,
        decision: Decision,
        attempts: int,
    ) -> None:
        try:
            await self._parking.set_aside(checkpoint, event, failed, decision, attempts)
        except Stopped:
            self._report("stopped", (event,), 0.0)
            raise
        self._report("skipped" if isinstance(decision, Skip) else "parked", (event,), 0.0)

    def _report(
        self, outcome: DeliveryOutcome, events: Sequence[RecordedEvent], seconds: float
    ) -> None:
        report(self._observer, self._key, outcome, events, seconds)


def report(
    observer: Observer,
    key: SubscriptionKey,
    outcome: DeliveryOutcome,
    events: Sequence[RecordedEvent],
    seconds: float = 0.0,
) -> None:
    """Report what became of events."""
    age = (datetime.now(UTC) - events[-1].time).total_seconds()
    observer.delivered(key, outcome, len(events), seconds, age)
