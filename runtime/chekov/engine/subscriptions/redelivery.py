"""Handling parked events again, when they are due, in the order of their keys."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from chekov.domain.failure import Again, Decision, Skip, Stop
from chekov.engine.observer import Observer
from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.engine.subscriptions.delivery import NEWER_SECONDS, report
from chekov.engine.subscriptions.fingerprint import failure
from chekov.engine.subscriptions.invocation import DeliveryFailed, Invocation
from chekov.engine.subscriptions.parking import SKIPPED, Parking, Stopped
from chekov.engine.subscriptions.retry import Retries, RetryPolicy
from chekov.serialization.codec import decode_metadata
from chekov.store.port import Claim, ParkedEvent, ParkingEntry, RecordedEvent, Store

_AT_ONCE: Final = 100
"""Parked events that are handled before the subscription looks at the log again."""

_log: Final = logging.getLogger(__name__)


class Redelivery:
    """Handles the parked events of one subscription that are due.

    That is when somebody asked for it, after the pause before the next attempt, or when those
    before them are handled. One that fails is retried like any other, counting all its attempts;
    meanwhile its key waits, and all others go on. The key of one that only newer code reads waits
    for that.
    """

    def __init__(
        self,
        invocation: Invocation,
        store: Store,
        parking: Parking,
        observer: Observer,
        policy: RetryPolicy,
    ) -> None:
        self._invocation = invocation
        self._store = store
        self._parking = parking
        self._observer = observer
        self._policy = policy

    async def deliver_due(self, checkpoint: Checkpoint, claim: Claim) -> bool:
        """Handle some of the events that are due.

        Args:
            checkpoint: of the claim under which the subscription runs.
            claim: as it was last renewed.

        Returns:
            Whether more are due.

        Raises:
            Fenced: another process owns the subscription, or somebody discarded the event at hand.
            StoreUnavailable: the database is away.
        """
        checkpoint.resume()
        if not self._parking.is_current(claim):
            # Blocked events that were passed must be parked before their keys are looked at.
            await checkpoint.save()
            await self._parking.load(claim)
        key = self._parking.due
        if key is None:
            return False
        await checkpoint.save()
        parked = await self._store.subscriptions.parked_in_order(claim, key, limit=_AT_ONCE)
        for event in parked:
            if not checkpoint.open:
                return False
            if event.state == "failed":
                self._parking.failed_again((key,), event.position)
                return self._parking.due is not None
            if event.also and not await self._is_first_of_all(claim, event, key):
                self._parking.wait(key)
                return self._parking.due is not None
            if not await self._handled(checkpoint, event):
                return self._parking.due is not None
            self._parking.proceed(event.keys)
        if len(parked) < _AT_ONCE:
            self._parking.unblock(key)
        return self._parking.due is not None

    async def _is_first_of_all(self, claim: Claim, parked: ParkedEvent, key: str) -> bool:
        """Whether the first event of one key is the first one of all its keys.

        Otherwise it is handled when the last of them has come to it.
        """
        for other in parked.keys:
            if other == key:
                continue
            found = await self._store.subscriptions.parked_in_order(claim, other, limit=1)
            positions = [item.position for item in found]
            if other in self._parking.withheld or positions != [parked.position]:
                return False
        return True

    async def _handled(self, checkpoint: Checkpoint, parked: ParkedEvent) -> bool:
        """Handle one event, and return whether its key goes on."""
        claim = checkpoint.claim
        found = await self._store.read_page(after=parked.position - 1, limit=1)
        # It belongs to this partition by the key that it had when it was parked.
        if not self._invocation.concerning([item for item in found if item.type == parked.type]):
            # It was erased or truncated, or the handler no longer takes it.
            await self._store.subscriptions.unpark(claim, parked.position)
            return True
        [event] = found
        retries = self._parking.pauses.retries(parked.key, event.position) or self._policy.begin(
            event, replaying=event.position <= checkpoint.replay_until, attempt=parked.attempts + 1
        )
        while True:
            try:
                await self._invoke(checkpoint, event, retries.attempt)
            except DeliveryFailed as failed:
                if self._invocation.routes.precede(event.type):
                    self._parking.pause(parked.keys, retries, failed, NEWER_SECONDS)
                    return False
                decision = retries.after(failed)
                if not isinstance(decision, Again):
                    return await self._end(checkpoint, event, parked, failed, decision, retries)
                report(self._observer, self._invocation.key, "retried", (event,))
                if not failed.excused:
                    self._parking.pause(parked.keys, retries, failed, decision.after)
                    return False
                if not await checkpoint.await_attempt(decision.after):
                    return False
            else:
                self._parking.handled()
                return True

    async def _invoke(self, checkpoint: Checkpoint, event: RecordedEvent, attempt: int) -> None:
        started = time.perf_counter()
        progress = _Unparking(checkpoint)
        metadata = decode_metadata(event.metadata)
        with self._observer.delivery(self._invocation.key, (event,), metadata):
            await self._invocation.invoke(progress, (event,), attempt=attempt)
        if not progress.done:
            await self._store.subscriptions.unpark(checkpoint.claim, event.position)
        seconds = time.perf_counter() - started
        report(self._observer, self._invocation.key, "handled", (event,), seconds)

    async def _end(
        self,
        checkpoint: Checkpoint,
        event: RecordedEvent,
        parked: ParkedEvent,
        failed: DeliveryFailed,
        decision: Decision,
        retries: Retries,
    ) -> bool:
        """Park the event until somebody retries it, or skip it; return whether its key goes on.

        Raises:
            Stopped: the decision is to stop; the event is parked.
        """
        key, claim = self._invocation.key, checkpoint.claim
        subscriptions = self._store.subscriptions
        why = failure(key.name, event.type, failed.error, retries.attempt)
        about = {"subscription": key.name, "position": event.position, "error": why.error}
        outcome = "skipped" if isinstance(decision, Skip) else "parked"
        report(self._observer, key, "stopped" if isinstance(decision, Stop) else outcome, (event,))
        if isinstance(decision, Skip):
            entry = ParkingEntry(event, parked.key, why, discarded=SKIPPED)
            await subscriptions.save(claim, checkpoint.position, parked=[entry])
            await subscriptions.unpark(claim, event.position)
            self._parking.note(event.position)
            _log.error("a parked event is skipped", extra=about, exc_info=failed.error)
            return True
        why = replace(why, attempts=retries.attempt - parked.attempts)
        await subscriptions.park_again(claim, event.position, why)
        self._parking.failed_again(parked.keys, event.position)
        _log.error("a parked event failed again", extra=about, exc_info=failed.error)
        if isinstance(decision, Stop):
            raise Stopped(
                f"event {event.position} ({event.type}) is parked: {failed}; repair the handler, "
                "retry the event, and resume"
            )
        return False


class _Unparking:
    """The progress of one parked event; see `Progress`.

    Attributes:
        done: whether it was unparked in the handler's transaction.
    """

    unparks = True

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.claim = checkpoint.claim
        self.position = checkpoint.position
        self.replay_until = checkpoint.replay_until
        self.done = False

    def blocked_until(self, position: int) -> Sequence[ParkingEntry]:
        del position
        return ()

    def advance(self, position: int) -> bool:
        del position
        return False

    def committed(self, position: int, *, building: bool = False) -> None:
        del position, building
        self.done = True
