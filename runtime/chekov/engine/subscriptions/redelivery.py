"""Handling parked events again, when somebody asked for it, in the order of their keys."""

import logging
from collections.abc import Sequence
from typing import Final

from chekov.backoff import Backoff
from chekov.engine.observer import Observer
from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.engine.subscriptions.fingerprint import failure
from chekov.engine.subscriptions.invocation import DeliveryFailed, Invocation
from chekov.engine.subscriptions.parking import Parking
from chekov.serialization.codec import decode_metadata
from chekov.store.port import Claim, ParkedEvent, ParkingEntry, RecordedEvent, Store

_AT_ONCE: Final = 100
"""Parked events that are handled before the subscription looks at the log again."""

_log: Final = logging.getLogger(__name__)


class Redelivery:
    """Handles the parked events of one subscription that are due.

    Each is tried once. One that fails again waits for the next retry, and so does its key.
    """

    def __init__(
        self, invocation: Invocation, store: Store, parking: Parking, observer: Observer
    ) -> None:
        self._invocation = invocation
        self._store = store
        self._parking = parking
        self._observer = observer

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
            if event.state == "failed" or not await self._handled(checkpoint, event):
                if checkpoint.open:
                    self._parking.failed_again(key)
                return self._parking.due is not None
        if len(parked) < _AT_ONCE:
            self._parking.unblock(key)
        return self._parking.due is not None

    async def _handled(self, checkpoint: Checkpoint, parked: ParkedEvent) -> bool:
        """Handle one event, and return whether its key goes on."""
        claim = checkpoint.claim
        found = await self._store.read_page(after=parked.position - 1, limit=1)
        if not self._invocation.wanted([event for event in found if event.type == parked.type]):
            # It was erased or truncated, or the handler no longer takes it.
            await self._store.subscriptions.unpark(claim, parked.position)
            return True
        [event] = found
        backoff = Backoff()
        while True:
            try:
                await self._invoke(checkpoint, event, parked.attempts + 1)
            except DeliveryFailed as failed:
                if not failed.excused:
                    await self._park_again(checkpoint, event, failed)
                    return False
                if not await checkpoint.pause(backoff.next()):
                    return False
            else:
                return True

    async def _invoke(self, checkpoint: Checkpoint, event: RecordedEvent, attempt: int) -> None:
        progress = _Unparking(checkpoint)
        metadata = decode_metadata(event.metadata)
        with self._observer.delivery(self._invocation.key, (event,), metadata):
            await self._invocation.invoke(progress, (event,), attempt=attempt)
        if not progress.done:
            await self._store.subscriptions.unpark(checkpoint.claim, event.position)

    async def _park_again(
        self, checkpoint: Checkpoint, event: RecordedEvent, failed: DeliveryFailed
    ) -> None:
        key = self._invocation.key
        why = failure(key.name, event.type, failed.error, 1)
        await self._store.subscriptions.park_again(checkpoint.claim, event.position, why)
        _log.error(
            "a parked event failed again",
            extra={"subscription": key.name, "position": event.position, "error": why.error},
            exc_info=failed.error,
        )


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

    def committed(self, position: int) -> None:
        del position
        self.done = True
