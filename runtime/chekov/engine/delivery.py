"""Handing events to a handler: alone or together, again after a failure, in the end aside."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chekov.domain.handler import Context, EventHandler, Projection, Transaction
from chekov.domain.messages import Event
from chekov.engine.observer import Observer
from chekov.errors import Fenced, StoreUnavailable
from chekov.store.codec import Codec, decode_metadata
from chekov.store.port import Claim, RecordedEvent, SubscriptionStore

TRANSACTION = 500

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
    """Calls one handler.

    Attributes:
        retrying: the error of the event that is being tried again, or `None`.
        parked: how many events this process set aside.
    """

    def __init__(
        self,
        handler: EventHandler,
        store: SubscriptionStore,
        codec: Codec,
        observer: Observer,
        retry: Retry,
    ) -> None:
        self._handler = handler
        self._store = store
        self._codec = codec
        self._observer = observer
        self._retry = retry
        self._methods = {
            kind.name: method.function.__get__(handler) for kind, method in handler.handlers.items()
        }
        self.retrying: str | None = None
        self.parked = 0

    @property
    def transactional(self) -> bool:
        """Whether the checkpoint commits with what the handler writes."""
        return isinstance(self._handler, Projection)

    def wanted(self, events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
        """Those of `events` that the handler handles."""
        methods = self._methods
        return [event for event in events if event.type in methods]

    async def deliver(
        self, claim: Claim, events: Sequence[RecordedEvent], *, replaying: bool
    ) -> None:
        """Hand over every event, in order; what keeps failing is set aside.

        Raises:
            Fenced: another process owns the subscription.
            Stopped: an event keeps failing and the policy is to stop.
            StoreUnavailable: the database is away; nothing of the event at hand was kept.
        """
        if not self.transactional:
            for event in events:
                await self._one(claim, event, replaying=replaying)
            return
        for start in range(0, len(events), TRANSACTION):
            batch = events[start : start + TRANSACTION]
            try:
                await self._attempt(claim, batch, replaying=replaying, attempt=1)
            except (Fenced, StoreUnavailable):
                raise
            except Exception:  # noqa: BLE001 -- whichever event it was fails again alone
                for event in batch:
                    await self._one(claim, event, replaying=replaying)

    async def _one(self, claim: Claim, event: RecordedEvent, *, replaying: bool) -> None:
        attempt = 1
        while True:
            try:
                await self._attempt(claim, (event,), replaying=replaying, attempt=attempt)
            except (Fenced, StoreUnavailable):
                raise
            except Exception as error:  # noqa: BLE001 -- user code may raise anything
                self.retrying = f"{type(error).__name__}: {error}"
                if attempt >= self._retry.attempts:
                    await self._give_up(claim, event, attempt)
                    break
                self._told("retried", (event,), 0.0)
                await asyncio.sleep(self._retry.pause(attempt))
                attempt += 1
            else:
                break
        self.retrying = None

    async def _attempt(
        self, claim: Claim, events: Sequence[RecordedEvent], *, replaying: bool, attempt: int
    ) -> None:
        decoded = self._codec.decode_page(events)
        metadata = decode_metadata(events[0].metadata)
        started = time.perf_counter()
        with self._observer.delivery(self._handler.name, events, metadata):
            if self.transactional:
                await self._together(claim, events, decoded, replaying=replaying, attempt=attempt)
            else:
                context = _context(events[0], metadata, replaying=replaying, attempt=attempt)
                await self._call(events[0], decoded[0], context)
        self._told("handled", events, time.perf_counter() - started)

    async def _together(
        self,
        claim: Claim,
        events: Sequence[RecordedEvent],
        decoded: Sequence[Event],
        *,
        replaying: bool,
        attempt: int,
    ) -> None:
        path = self._store.schema_for(claim.key)
        async with self._store.transaction(
            claim, events[-1].position, search_path=path
        ) as connection:
            for recorded, event in zip(events, decoded, strict=True):
                transaction = Transaction(
                    **_facts(recorded),
                    metadata=decode_metadata(recorded.metadata),
                    replaying=replaying,
                    attempt=attempt,
                    connection=connection,
                )
                await self._call(recorded, event, transaction)

    async def _call(self, recorded: RecordedEvent, event: Event, context: Context) -> None:
        method: Callable[[Event, Context], Awaitable[None]] = self._methods[recorded.type]
        await method(event, context)

    async def _give_up(self, claim: Claim, event: RecordedEvent, attempts: int) -> None:
        error = str(self.retrying)
        about = {"subscription": self._handler.name, "position": event.position, "error": error}
        if self._handler.on_failure == "stop":
            _log.error("a subscription stops at an event that keeps failing", extra=about)
            self._told("stopped", (event,), 0.0)
            raise Stopped(f"event {event.position} ({event.type}): {error}")
        await self._store.park(claim, event, attempts=attempts, error=error)
        self.parked += 1
        _log.error("an event is set aside", extra=about)
        self._told("parked", (event,), 0.0)

    def _told(self, outcome: Any, events: Sequence[RecordedEvent], seconds: float) -> None:
        age = (datetime.now(UTC) - events[-1].time).total_seconds()
        self._observer.delivered(self._handler.name, outcome, len(events), seconds, age)


def _context(
    event: RecordedEvent, metadata: Mapping[str, Any], *, replaying: bool, attempt: int
) -> Context:
    return Context(**_facts(event), metadata=metadata, replaying=replaying, attempt=attempt)


def _facts(event: RecordedEvent) -> dict[str, Any]:
    return {
        "stream": event.stream,
        "version": event.version,
        "position": event.position,
        "id": event.id,
        "time": event.time,
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
    }
