"""Parking: setting aside an event that keeps failing. Elsewhere it is a dead letter.

A parked event blocks its keys, so that later events of each are parked after it, and are handled in
order once somebody has retried or discarded it. All other keys go on.
"""

import logging
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from chekov.domain.failure import Decision, Skip, Stop
from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.engine.subscriptions.fingerprint import failure
from chekov.engine.subscriptions.invocation import DeliveryFailed, Invocation
from chekov.engine.subscriptions.key_pauses import KeyPauses
from chekov.engine.subscriptions.retry import Retries
from chekov.store.port import Claim, ParkingEntry, RecordedEvent, Subscriptions

MOST_PARKED_KEYS: Final = 1000
"""Parked keys after which a subscription stops, unless the runtime says otherwise."""

SKIPPED: Final = "skipped by the handler"
"""The reason that is recorded."""

_MOST_FAILED: Final = 10_000

_log: Final = logging.getLogger(__name__)


class Stopped(Exception):
    """The subscription is to stop before an event: by its policy, or as too much is parked."""


class Parking:
    """The blocked keys of one subscription, which grow by events that keep failing.

    Args:
        store: keeps what is parked.
        invocation: of the handler; says which keys an event has.
        most_keys: how many keys may be parked.

    Attributes:
        parked: how many events it parked since this was last reset to 0.
        last_failed: the highest position that is known to be set aside.
        failed: positions that this process set aside, the last ones only.
        pauses: the keys whose first parked event waits for its next attempt.
        withheld: the keys that are blocked by what is not in the log.
    """

    def __init__(
        self, store: Subscriptions, invocation: Invocation, *, most_keys: int = MOST_PARKED_KEYS
    ) -> None:
        self._store = store
        self._invocation = invocation
        self._most_keys = most_keys
        self._keys: dict[str, bool] = {}
        self.pauses = KeyPauses()
        self.withheld: Collection[str] = ()
        self._changes: int | None = None
        self._loaded = 0
        self.parked = 0
        self.last_failed = 0
        self.failed: deque[int] = deque(maxlen=_MOST_FAILED)

    @property
    def keys(self) -> int:
        """How many keys are blocked."""
        return len(self._keys)

    @property
    def due(self) -> str | None:
        """A key whose first parked event is to be handled now."""
        return next((key for key, due in self._keys.items() if due), None) or self.pauses.due

    def is_current(self, claim: Claim) -> bool:
        """Whether the keys are those of the newest claim."""
        return self._changes == claim.parked_changes

    def forget(self) -> None:
        """Read the keys again before they are used: another process may have changed them."""
        self._changes = None
        self.pauses.keep(())

    def restart(self) -> None:
        """Forget what failed: the log was restored to an earlier state."""
        self.last_failed = 0
        self.failed.clear()
        self.forget()

    async def load(self, claim: Claim) -> None:
        """Read the keys that are blocked.

        Raises:
            StoreUnavailable: the database is away.
        """
        self._keys = dict(await self._store.blocked(claim))
        self.withheld = await self._invocation.withheld(claim)
        self._keys |= dict.fromkeys(self.withheld, False)
        self.pauses.keep(self._keys)
        if self.pauses:
            self.pauses.hasten(await self._store.retried(claim, after=self._loaded))
        self._changes = self._loaded = claim.parked_changes
        for key in self._keys:
            if key in self.pauses:
                self._keys[key] = False

    def note(self, position: int) -> None:
        """Note that an event is set aside: who waits for it must learn that."""
        self.last_failed = max(self.last_failed, position)
        self.failed.append(position)

    def hold(self, checkpoint: Checkpoint, entry: ParkingEntry) -> bool:
        """Note an event that is parked after another one of one of its keys: it blocks all of them.

        Returns:
            Whether that is new, and it waits for somebody, not only for an attempt at the other.
        """
        is_new = checkpoint.block(entry)
        blocking = [key for key in entry.keys if key in self._keys]
        free = [key for key in entry.keys if key not in self._keys]
        self._keys |= dict.fromkeys(free, False)
        paused = all(key in self.pauses for key in blocking)
        if paused:
            self.pauses.follow(blocking[0], free)
        if not is_new:
            return False
        self.parked += 1
        if paused:
            self.last_failed = max(self.last_failed, entry.event.position)
            return False
        self.note(entry.event.position)
        return True

    def unblock(self, key: str) -> None:
        """Note that nothing of a key is parked any more."""
        self._keys.pop(key, None)
        self.pauses.end((key,))

    def succeeded(self, events: Sequence[RecordedEvent]) -> None:
        """Note that events were handled, which were not parked."""
        self.pauses.succeeded()
        if self._keys:
            self._unblock_after(events)
            self._look_again_if_changed()

    def handled(self) -> None:
        """Note that a parked event was handled."""
        self.pauses.succeeded()
        self._look_again_if_changed()

    def proceed(self, keys: Collection[str]) -> None:
        """Note that the first parked event of some keys is done: the next one of each is due."""
        self._keys |= dict.fromkeys(keys, True)
        self.pauses.end(keys)

    def wait(self, key: str) -> None:
        """Note that the next parked event of a key waits, for somebody or for another key."""
        self._keys[key] = False
        self.pauses.end((key,))

    def failed_again(self, keys: Collection[str], position: int) -> None:
        """Note that the first parked event of some keys failed, and waits for somebody."""
        for key in keys:
            self.wait(key)
        self.note(position)

    def pause(
        self, keys: Collection[str], retries: Retries, failed: DeliveryFailed, seconds: float
    ) -> None:
        """Let the first parked event of some keys wait for its next attempt."""
        self._keys |= dict.fromkeys(keys, False)
        self.pauses.begin(keys, retries, str(failed), seconds)

    def entry(self, event: RecordedEvent) -> ParkingEntry | None:
        """How to park an event that an earlier one of one of its keys blocks; else `None`."""
        if not self._keys:
            return None
        keys = self._invocation.ordering_keys(event)
        if self._keys.keys().isdisjoint(keys):
            return None
        return ParkingEntry(event, keys[0], also=tuple(keys[1:]))

    def may_defer(self, event: RecordedEvent, retries: Retries, seconds: float) -> bool:
        """Whether an event may wait for its next attempt while the events of other keys go on."""
        return (
            not retries.stops
            and self.pauses.may_begin(seconds)
            and len(self._keys) < self._most_keys
            and bool(self._invocation.ordering_keys(event))
        )

    async def defer(
        self,
        checkpoint: Checkpoint,
        event: RecordedEvent,
        failed: DeliveryFailed,
        retries: Retries,
        seconds: float,
    ) -> None:
        """Park an event until its next attempt, and move the checkpoint past it.

        So after a crash, the next owner finds it and handles it before the later ones of its key.

        Raises:
            Fenced: another process owns the subscription.
            StoreUnavailable: the database is away.
        """
        keys = self._invocation.ordering_keys(event)
        why = failure(self._invocation.key.name, event.type, failed.error, retries.attempt - 1)
        self.last_failed = max(self.last_failed, event.position)
        entry = ParkingEntry(event, keys[0], why, retrying=True, also=tuple(keys[1:]))
        await self._invocation.park(checkpoint, entry)
        self.pause(keys, retries, failed, seconds)
        self.parked += 1
        _log.warning(
            "an event waits for its next attempt, and the events of other keys go on",
            extra={**self._about(event, failed), "seconds": round(seconds, 3)},
        )

    async def set_aside(
        self,
        checkpoint: Checkpoint,
        event: RecordedEvent,
        failed: DeliveryFailed,
        decision: Decision,
        attempts: int,
    ) -> None:
        """Park or skip the event and move the checkpoint past it, or stop.

        Raises:
            Fenced: another process owns the subscription.
            Stopped: the decision is to stop, or too many keys are parked; nothing is parked.
            StoreUnavailable: the database is away.
        """
        about = self._about(event, failed)
        keys = self._invocation.blocks(event)
        first, also = next(iter(keys), ""), tuple(keys[1:])
        in_log = bool(self._invocation.ordering_keys(event))
        if isinstance(decision, Stop):
            _log.error(
                "a subscription stops at an event that keeps failing",
                extra=about,
                exc_info=failed.error,
            )
            raise Stopped(f"event {event.position} ({event.type}): {failed}")
        why = failure(self._invocation.key.name, event.type, failed.error, attempts)
        if isinstance(decision, Skip):
            if in_log:
                self.note(event.position)
            entry = ParkingEntry(event, first, why, discarded=SKIPPED)
            await self._invocation.park(checkpoint, entry)
            self._unblock_after((event,))
            _log.error("an event is skipped", extra=about, exc_info=failed.error)
            return
        if len(self._keys) >= self._most_keys and not self._keys.keys() >= {*keys}:
            _log.error(
                "a subscription stops, since too many keys are parked",
                extra={**about, "keys": len(self._keys)},
                exc_info=failed.error,
            )
            raise Stopped(
                f"{len(self._keys)} keys are parked, so the events are hardly at fault: repair the "
                f"handler, retry what is parked, then resume; event {event.position} "
                f"({event.type}): {failed}"
            )
        if in_log:
            self.note(event.position)
        await self._invocation.park(checkpoint, ParkingEntry(event, first, why, also=also))
        self._keys |= dict.fromkeys(keys, False)
        self.parked += 1
        _log.error("an event is parked", extra=about, exc_info=failed.error)

    def _unblock_after(self, events: Sequence[RecordedEvent]) -> None:
        for key in self._invocation.unblocked(events):
            if key in self._keys:
                self._keys[key] = True

    def _look_again_if_changed(self) -> None:
        if self._invocation.blocked_changed:
            self._changes = None

    def _about(self, event: RecordedEvent, failed: DeliveryFailed) -> Mapping[str, Any]:
        return {
            "subscription": self._invocation.key.name,
            "position": event.position,
            "stream": event.stream,
            "version": event.version,
            "type": event.type,
            "error": str(failed),
        }
