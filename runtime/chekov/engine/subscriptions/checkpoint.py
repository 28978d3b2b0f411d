"""How far one claim has come: what is handled, what of it is saved, whether it may go on."""

import asyncio
from collections.abc import Callable, Sequence
from math import inf
from typing import Final, Protocol

from chekov.errors import Fenced
from chekov.store.port import Claim, ParkingEntry, RecordedEvent, Subscriptions

SAVE_EVENTS: Final = 1000
SAVE_SECONDS: Final = 0.2
_MOST_BLOCKED: Final = 500
"""Blocked events in memory after which they are parked."""


class Progress(Protocol):
    """What a handler kind is given to note its progress in.

    Attributes:
        claim: under which everything is written.
        position: everything up to here is handled.
        replay_until: events up to here were stored before the subscription first ran.
        unparks: whether the events were parked: the checkpoint stays, and they are unparked.
    """

    claim: Claim
    position: int
    replay_until: float
    unparks: bool

    def blocked_until(self, position: int) -> Sequence[ParkingEntry]:
        """Events up to `position` that are to be parked in the transaction that moves past them."""
        ...

    def advance(self, position: int) -> bool:
        """Note that everything up to `position` is handled, and return whether to go on."""
        ...

    def committed(self, position: int, *, building: bool = False) -> None:
        """Note that everything up to `position` is handled, and that the store has saved it.

        Args:
            position: of the last event.
            building: whether the generation that it builds does not serve even then.
        """
        ...


class Checkpoint:
    """Belongs to one claim, from the moment it is taken until it is lost or given up.

    Blocked events that were passed are parked together, when the position is saved.

    Attributes:
        claim: under which everything is written.
        position: everything up to here is handled.
        replay_until: events up to here were stored before the subscription first ran; while a
            generation is built beside the one that serves, all are replayed, and then those up to
            where it took over, whichever process handles what was parked of them.
        ended: set when nothing further may be handled under this claim.
        valid_until: when the claim runs out, by the loop's clock.

    Args:
        blocked: events that were passed under the same epoch and are not parked yet.
    """

    def __init__(
        self,
        claim: Claim,
        store: Subscriptions,
        moved: Callable[[int], None],
        *,
        position: int,
        valid_until: float,
        blocked: Sequence[ParkingEntry] = (),
    ) -> None:
        self.claim = claim
        self.position = position
        beside = claim.building and claim.key.generation > 1
        self.replay_until: float = inf if beside else claim.registered
        self.unparks = False
        self.ended = asyncio.Event()
        self._woken = asyncio.Event()
        self._parked_changes = claim.parked_changes
        self.valid_until = valid_until
        self._store = store
        self._moved = moved
        self._saved = claim.position
        self._abandoned = False
        self._blocked = {entry.event.position: entry for entry in blocked}
        self._saving = asyncio.Lock()
        self._now = asyncio.get_running_loop().time
        self._saved_at = self._now()

    @property
    def open(self) -> bool:
        """Whether more may be handled."""
        return not self.ended.is_set() and self._now() < self.valid_until

    def renewed(self, claim: Claim) -> None:
        """Note that the claim was renewed, with which the generation may have begun to serve.

        Who waits for an attempt is woken if somebody has changed what is parked.
        """
        self._switched(claim.position, building=claim.building)
        if claim.parked_changes != self._parked_changes:
            self._parked_changes = claim.parked_changes
            self._woken.set()

    def block(self, entry: ParkingEntry) -> bool:
        """Note an event that is to be parked once everything before it is handled.

        Returns:
            Whether it was not noted before.
        """
        return self._blocked.setdefault(entry.event.position, entry) is entry

    def unblock(self, events: Sequence[RecordedEvent]) -> None:
        """Forget that these events were blocked when they were passed before.

        Their keys have gone on since, and the events are to be handled where they are.
        """
        if self._blocked:
            for event in events:
                self._blocked.pop(event.position, None)

    def blocked_until(self, position: int) -> Sequence[ParkingEntry]:
        """Blocked events up to `position` that are not parked yet."""
        return [entry for at, entry in self._blocked.items() if at <= position]

    @property
    def full(self) -> bool:
        """Whether no further blocked event is to be noted before a save."""
        return len(self._blocked) >= _MOST_BLOCKED

    def advance(self, position: int) -> bool:
        """Note that everything up to `position` is handled.

        Returns:
            Whether to go on before anything else is due.
        """
        self.position = position
        self._report()
        return not (self.ended.is_set() or self.due)

    def committed(self, position: int, *, building: bool = False) -> None:
        """Note that everything up to `position` is handled, and that the store has saved it."""
        self.position = self._saved = position
        self._switched(position, building=building)
        self._saved_at = self._now()
        self._forget(self.blocked_until(position))
        self._report()

    @property
    def unsaved(self) -> bool:
        """Whether the store does not yet have the position."""
        return self.position > self._saved

    @property
    def due(self) -> bool:
        """Whether it is time to save, or to find out that the claim has run out."""
        now = self._now()
        unsaved = self.position - self._saved
        return (
            now >= self.valid_until
            or unsaved >= SAVE_EVENTS
            or (unsaved > 0 and (now >= self._saved_at + SAVE_SECONDS or self.full))
        )

    @property
    def seconds_until_due(self) -> float | None:
        """Seconds until the next save; `None` when there is nothing to save."""
        return max(0.0, self._saved_at + SAVE_SECONDS - self._now()) if self.unsaved else None

    async def pause(self, seconds: float) -> bool:
        """Wait, but not beyond the end of the claim; return whether more may be handled."""
        try:
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        except TimeoutError:
            pass
        return self.open

    async def await_attempt(self, seconds: float) -> bool:
        """As `pause`, but return False at once when somebody changes what is parked."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return self.open
        return False

    def abandon(self) -> None:
        """End the claim without another word: neither the position nor its owner counts."""
        self._abandoned = True
        self.end()

    def end(self) -> None:
        """Let nothing further be handled under this claim."""
        self.ended.set()
        self._woken.set()

    def resume(self) -> None:
        """Let further attempts be waited for: what is parked is looked at next."""
        if not self.ended.is_set():
            self._woken.clear()

    async def save(self) -> None:
        """Write the position, unless the store has it already.

        Raises:
            Fenced: another process owns the subscription.
        """
        async with self._saving:  # the lease keeper saves as well
            position = self.position
            if position > self._saved and not self._abandoned:
                blocked = self.blocked_until(position)
                building = await self._store.save(self.claim, position, parked=blocked)
                self._switched(position, building=building)
                self._saved = max(self._saved, position)
                self._forget(blocked)
            self._saved_at = self._now()

    async def park(self, entry: ParkingEntry) -> None:
        """Set an event aside, and move past it.

        Raises:
            Fenced: another process owns the subscription, or the claim was abandoned.
        """
        if self._abandoned:
            raise Fenced(self.claim.key.name)
        position = entry.event.position
        async with self._saving:
            blocked = [*self.blocked_until(position - 1), entry]
            building = await self._store.save(self.claim, position, parked=blocked)
            self.committed(position, building=building)

    def _switched(self, position: int, *, building: bool) -> None:
        """Note whether the generation serves, with its checkpoint at `position`."""
        if self.replay_until == inf and not building:
            self.replay_until = position

    def _report(self) -> None:
        if not self._abandoned:
            self._moved(self.position)

    def _forget(self, entries: Sequence[ParkingEntry]) -> None:
        for entry in entries:
            self._blocked.pop(entry.event.position, None)
