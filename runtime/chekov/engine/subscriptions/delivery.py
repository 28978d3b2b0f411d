"""What becomes of events that a handler fails on: tried again, in the end set aside, or a stop."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chekov.domain.definitions import definition_of
from chekov.domain.handler import EventHandler, Projection
from chekov.engine.observer import DeliveryOutcome, Observer
from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.engine.subscriptions.handler_routes import HandlerRoutes
from chekov.engine.subscriptions.invocation import (
    AtLeastOnce,
    HandlerFailed,
    Invocation,
    Transactional,
)
from chekov.serialization.codec import Codec, decode_metadata
from chekov.store.port import RecordedEvent, Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and after which pauses, a failing event is tried.

    Attributes:
        attempts: how many times in all.
        first: seconds before the second attempt; doubled before each further one.
        longest: the most seconds between two attempts.
    """

    attempts: int = 5
    first: float = 0.1
    longest: float = 30.0

    def pause(self, attempt: int) -> float:
        """Seconds to wait after the failed `attempt`, spread so that pods do not retry in step."""
        return min(self.longest, self.first * 2 ** (attempt - 1)) * random.uniform(0.75, 1.25)  # noqa: S311


class Stopped(Exception):
    """The handler's policy says to stop at an event that keeps failing."""


class Delivery:
    """Hands events to one handler, whatever it makes of them.

    Attributes:
        handler: whom.
        retrying: what went wrong with the event that is being tried again, or `None`.
        parked: how many events it set aside since somebody put this back to 0.
    """

    def __init__(
        self,
        handler: EventHandler,
        store: Store,
        codec: Codec,
        observer: Observer,
        retry: Retry,
    ) -> None:
        self.handler = handler
        self._definition = definition_of(handler)
        self._subscriptions = store.subscriptions
        self._observer = observer
        self._retry = retry
        recipient = HandlerRoutes(handler, codec)
        self._recipient = recipient
        read_models = store.read_models
        # A runtime with projections refuses to start over a store without read models.
        self._handing: Invocation = (
            Transactional(recipient, read_models)
            if isinstance(handler, Projection) and read_models is not None
            else AtLeastOnce(recipient)
        )
        self.retrying: str | None = None
        self.parked = 0

    def wanted(self, events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
        """Those of `events` that concern the handler."""
        decided = self._recipient.decided
        try:
            return [event for event in events if decided[event.type]]
        except KeyError:  # at the first sight of a name
            return [event for event in events if self._recipient.wants(event.type)]

    async def deliver(self, progress: Checkpoint, events: Sequence[RecordedEvent]) -> bool:
        """Hand over every event, in order; whether that was done before `progress` ended.

        Raises:
            Fenced: another process owns the subscription.
            Stopped: an event keeps failing and the policy is to stop.
            StoreUnavailable: the database is away; what came of the event at hand is not known.
        """
        start = alone = 0
        while start < len(events):
            if not progress.open:
                return False
            most = 1 if start < alone else self._handing.most
            batch = events[start : start + most]
            try:
                start += await self._attempt(progress, batch, attempt=1)
            except HandlerFailed as failed:
                start += failed.done
                if self._handing.together and len(batch) > 1:
                    alone = start + len(batch)
                elif await self._again(progress, events[start], failed):
                    start += 1
            if progress.due:
                await progress.save()
        return True

    async def _again(
        self, progress: Checkpoint, event: RecordedEvent, failed: HandlerFailed
    ) -> bool:
        """Try an event that failed once until it is handled or set aside; whether it is."""
        try:
            for attempt in range(2, self._retry.attempts + 1):
                if failed.hopeless:
                    break
                self.retrying = str(failed)
                self._told("retried", (event,), 0.0)
                if not await _pause(progress, self._retry.pause(attempt - 1)):
                    return False
                try:
                    await self._attempt(progress, (event,), attempt=attempt)
                except HandlerFailed as again:
                    failed = again
                else:
                    return True
            await self._give_up(progress, event, failed)
        finally:
            self.retrying = None
        return True

    async def _attempt(
        self, progress: Checkpoint, events: Sequence[RecordedEvent], *, attempt: int
    ) -> int:
        started = time.perf_counter()
        metadata = decode_metadata(events[0].metadata)
        done = 0
        try:
            with self._observer.delivery(self._definition.name, events, metadata):
                done = await self._handing.hand(progress, events, attempt=attempt)
        except HandlerFailed as failed:
            done = failed.done
            raise
        finally:
            if done:
                self._told("handled", events[:done], time.perf_counter() - started)
        return done

    async def _give_up(
        self, progress: Checkpoint, event: RecordedEvent, failed: HandlerFailed
    ) -> None:
        about = {
            "subscription": self._definition.name,
            "position": event.position,
            "stream": event.stream,
            "type": event.type,
            "error": str(failed),
        }
        if self._definition.on_failure == "stop":
            _log.error(
                "a subscription stops at an event that keeps failing",
                extra=about,
                exc_info=failed.error,
            )
            self._told("stopped", (event,), 0.0)
            raise Stopped(f"event {event.position} ({event.type}): {failed}")
        attempts = 1 if failed.hopeless else self._retry.attempts
        await self._subscriptions.park(progress.claim, event, attempts=attempts, error=str(failed))
        progress.committed(event.position)
        self.parked += 1
        _log.error("an event is set aside", extra=about, exc_info=failed.error)
        self._told("parked", (event,), 0.0)

    def _told(
        self, outcome: DeliveryOutcome, events: Sequence[RecordedEvent], seconds: float
    ) -> None:
        age = (datetime.now(UTC) - events[-1].time).total_seconds()
        self._observer.delivered(self._definition.name, outcome, len(events), seconds, age)


async def _pause(progress: Checkpoint, seconds: float) -> bool:
    """Wait, but not beyond the end of `progress`; whether it is still open."""
    try:
        async with asyncio.timeout(seconds):
            await progress.ended.wait()
    except TimeoutError:
        pass
    return progress.open
