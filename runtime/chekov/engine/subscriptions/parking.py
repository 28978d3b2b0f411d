"""Parking: what happens to an event whose attempts are used up. Elsewhere it is a dead letter."""

import logging
from typing import Final

from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.engine.subscriptions.invocation import HandlerFailed, Invocation
from chekov.store.port import RecordedEvent

_log: Final = logging.getLogger(__name__)


class Stopped(Exception):
    """The handler's policy is to stop at an event that keeps failing."""


class Parking:
    """Parks events that a handler keeps failing on, or stops its subscription.

    Attributes:
        parked: how many events it parked since this was last reset to 0.
    """

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._subscription = invocation.key.name
        self._stops = invocation.definition.on_failure == "stop"
        self.parked = 0

    async def give_up(
        self, checkpoint: Checkpoint, event: RecordedEvent, failed: HandlerFailed, attempts: int
    ) -> None:
        """Park the event and move the checkpoint past it, or stop, as the handler's policy says.

        Raises:
            Fenced: another process owns the subscription.
            Stopped: the policy is to stop; nothing is parked.
            StoreUnavailable: the database is away.
        """
        about = {
            "subscription": self._subscription,
            "position": event.position,
            "stream": event.stream,
            "version": event.version,
            "type": event.type,
            "error": str(failed),
        }
        if self._stops:
            _log.error(
                "a subscription stops at an event that keeps failing",
                extra=about,
                exc_info=failed.error,
            )
            raise Stopped(f"event {event.position} ({event.type}): {failed}")
        await self._invocation.park(checkpoint, event, attempts=attempts, error=str(failed))
        self.parked += 1
        _log.error("an event is parked", extra=about, exc_info=failed.error)
