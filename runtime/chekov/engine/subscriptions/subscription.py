"""One subscription in one process: waiting for its turn, catching up, following, or stopped."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from typing import Final

from chekov.backoff import Backoff
from chekov.domain.failure import OnFailure, Retry
from chekov.engine.observer import Observer
from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.engine.subscriptions.delivery import Delivery
from chekov.engine.subscriptions.gathering import gathered
from chekov.engine.subscriptions.invocation import Invocation
from chekov.engine.subscriptions.log_check import LogCheck
from chekov.engine.subscriptions.page_cache import PageCache
from chekov.engine.subscriptions.page_reader import PageReader
from chekov.engine.subscriptions.parking import MOST_PARKED_KEYS, Parking, Stopped
from chekov.engine.subscriptions.redelivery import Redelivery
from chekov.engine.subscriptions.retry import RetryPolicy
from chekov.engine.subscriptions.sparse_reader import SparseReader
from chekov.engine.subscriptions.status import State, SubscriptionStatus
from chekov.errors import CheckpointAhead, Fenced, StoreError
from chekov.store.port import (
    Claim,
    ParkingEntry,
    Store,
    SubscriptionKey,
    SubscriptionRow,
)
from chekov.watermark import Watermark

_IDLE_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)

current_subscription: ContextVar[SubscriptionKey | None] = ContextVar(
    "current_subscription", default=None
)
"""The subscription whose handler is running."""


class Subscription:
    """Runs a handler while a claim holds.

    Attributes:
        key: names it in the store.
        kind: of its handler.
        position: everything up to here is handled, as far as this process knows.
    """

    def __init__(
        self,
        invocation: Invocation,
        store: Store,
        observer: Observer,
        retry: Retry,
        *,
        on_failure: OnFailure | None = None,
        most_parked_keys: int = MOST_PARKED_KEYS,
    ) -> None:
        self.key = invocation.key
        self.kind = invocation.kind
        self.position = 0
        self._invocation = invocation
        self._store = store
        self._log_check = LogCheck(store)
        self._parking = Parking(store.subscriptions, invocation, most_keys=most_parked_keys)
        policy = RetryPolicy(invocation, retry, on_failure or invocation.definition.on_failure)
        self._delivery = Delivery(invocation, self._parking, observer, policy)
        self._redelivery = Redelivery(invocation, store, self._parking, observer, policy)
        self._observer = observer
        self._handled = Watermark()
        self._claim: Claim | None = None
        self._epoch = 0
        self._valid_until = 0.0
        self._doubted_at: float | None = None
        self._checkpoint: Checkpoint | None = None
        self._unparked: Sequence[ParkingEntry] = ()
        self._claims = Watermark()
        self._stopping = False
        self._leaving = False
        self._backoff = Backoff(0.1)
        self._state: State = "waiting"
        self._error: str | None = None
        self._trouble: str | None = None
        self._trouble_at = 0.0
        self._parked = 0
        self._parked_keys = 0

    @property
    def owned(self) -> bool:
        """Whether this process holds a claim on it."""
        return self._claim is not None

    @property
    def status(self) -> SubscriptionStatus:
        """A snapshot for people and probes."""
        retrying = self._delivery.retrying
        head = max(self._store.tail.head.value, self.position)
        return SubscriptionStatus(
            name=self.key.name,
            kind=self.kind,
            version=self.key.version,
            partition=self.key.partition,
            generation=self.key.generation,
            state="retrying" if retrying else self._state,
            owned=self.owned,
            position=self.position,
            head=head,
            lag=head - self.position,
            parked=self._parked + self._parking.parked,
            parked_keys=self._parking.keys if self.owned else self._parked_keys,
            error=retrying or self._trouble or self._error,
        )

    async def prepare(self, *, registered: bool = False) -> None:
        """Create in the store what it needs before it runs, for all its partitions.

        Args:
            registered: it was registered before, so where it starts is decided.
        """
        await self._invocation.prepare(registered=registered)

    def take(self, claim: Claim, *, asked_at: float, lease: float) -> None:
        """Run under a claim that was just made or renewed.

        Args:
            claim: as the store returned it.
            asked_at: when the store was asked, by the loop's clock; the claim holds from then on.
            lease: for how many seconds.
        """
        if self._claim is not None and self._claim.epoch != claim.epoch:
            self.lose()
        if self._claim is None and claim.epoch != self._epoch:
            self._observer.claimed(self.key)
        self._claim = claim
        self._parking.last_failed = max(self._parking.last_failed, claim.last_failed)
        self._valid_until = asked_at + lease
        if self._checkpoint is not None:
            self._checkpoint.valid_until = self._valid_until
            self._checkpoint.renewed(claim)
        if self._doubted_at is None or asked_at > self._doubted_at:
            self._doubted_at = None
            self._claims.bump()
        if not self._parking.is_current(claim):
            self._store.tail.head.wake_all()

    def lose(self) -> None:
        """Stop delivering: another process owns it, or it is paused or stopped."""
        if self._claim is None:
            return
        if not self._stopping and not self._leaving:
            _log.warning("a subscription is no longer owned", extra={"subscription": self.key.name})
        self._claim = self._trouble = None
        self._leaving = False
        self._end()
        self._state = "waiting"
        self._handled.wake_all()

    def restart(self) -> None:
        """Go on from the store's checkpoint: the log was restored, and with it what was handled."""
        if self._checkpoint is not None:
            self._checkpoint.abandon()
        self.lose()
        self._parking.restart()
        self._log_check.restored()
        self._epoch = self.position = self._handled.value = 0

    def give_up(self) -> None:
        """Stop after the event at hand, and save the checkpoint: another process is to run it."""
        if self._claim is None:
            return
        self._leaving = True
        if self._checkpoint is None:
            self.lose()
        else:
            self._end()

    async def given_up(self) -> None:
        """Return once this process holds no claim on it."""
        while self.owned:
            await self._handled.wait_above(self._handled.value)

    def holds(self, row: SubscriptionRow) -> bool:
        """Whether the store's row still says what the claim of this process says."""
        claim = self._claim
        return (
            claim is not None
            and row.state == "running"
            and (row.owner, row.epoch) == (claim.owner, claim.epoch)
        )

    def learn(self, row: SubscriptionRow) -> None:
        """Adopt the store's view, except where this process knows better."""
        self._parking.last_failed = max(self._parking.last_failed, row.last_failed)
        self._parked = row.parked
        self._parked_keys = row.parked_keys
        self._parking.parked = 0
        if self._claim is None:
            self._move(row.position)
            self._error = row.error
            self._state = "waiting" if row.state == "running" else row.state

    async def save(self) -> None:
        """Write the checkpoint if that is due, also while a handler takes its time."""
        checkpoint = self._checkpoint
        if checkpoint is not None and checkpoint.open and checkpoint.due:
            with suppress(Fenced):  # `run` finds out by itself
                await checkpoint.save()

    def stop(self) -> None:
        """End after the event at hand; `run` returns when the checkpoint is saved."""
        self._stopping = True
        self._end()
        self._claims.bump()
        self._handled.wake_all()

    def passed(self, position: int) -> bool:
        """Whether everything up to `position` is known here to be handled."""
        return self._handled.value >= position

    @property
    def last_failed(self) -> int:
        """The highest position that is known to be parked or skipped."""
        return self._parking.last_failed

    def trouble_since(self, moment: float) -> str:
        """Why it has failed ever since `moment`, by the loop's clock, because of the database.

        Empty if something was handled since, or it has not run.
        """
        return self._trouble if self._trouble and self._trouble_at <= moment else ""

    def failed(self, first: int, last: int) -> bool:
        """Whether this process lately parked or skipped an event from `first` to `last`."""
        return any(first <= position <= last for position in self._parking.failed)

    def holds_back(self, first: int, last: int) -> bool:
        """Whether an event from `first` to `last` waits here to be parked after one of its key."""
        checkpoint = self._checkpoint
        held = self._unparked if checkpoint is None else checkpoint.blocked_until(last)
        return any(first <= entry.event.position <= last for entry in held)

    @property
    def running(self) -> bool:
        """Whether it handles events in this process, and goes on doing so."""
        return self._claim is not None and not self._stopping

    async def reached(self, position: int) -> bool:
        """Wait until everything up to `position` is handled here; False if it will not be."""
        while not self.passed(position):
            if not self.running:
                return False
            await self._handled.wait_above(position - 1)
        return True

    async def run(self, pages: PageCache) -> None:
        """Deliver whenever there is a claim, until stopped."""
        current_subscription.set(self.key)
        log = PageReader(pages, self._store.tail)
        while (claim := await self._next_claim()) is not None:
            try:
                await self._run(claim, log)
            except Fenced:
                if self._is_current(claim):
                    self.lose()
            except StoreError as error:
                # A commit without an answer may have happened: only a later claim shows.
                self._doubted_at = asyncio.get_running_loop().time()
                self._note(error)
            finally:
                if self._checkpoint is not None:
                    self._unparked = self._checkpoint.blocked_until(self.position)
                self._checkpoint = None

    async def _next_claim(self) -> Claim | None:
        """Return the claim to run under once there is one; `None` when it is time to end."""
        while not self._stopping:
            if self._claim is not None and self._doubted_at is None:
                return self._claim
            await self._claims.wait_above(self._claims.value)
        return None

    async def _run(self, claim: Claim, log: PageReader) -> None:
        try:
            await self._log_check.check(claim)
        except CheckpointAhead as error:
            # For good: once the log is as long, nothing would show what was left out.
            await self._stop(claim, error)
            return
        checkpoint = self._checkpoint = self._begin(claim)
        sparse = SparseReader(self._store, self._invocation)
        try:
            async with self._invocation.running(checkpoint):
                while checkpoint.open:
                    more = await self._redelivery.deliver_due(checkpoint, self._claim or claim)
                    if checkpoint.open:
                        await self._step(checkpoint, log, sparse, idle=not more)
            if self._is_current(claim):
                await checkpoint.save()
        except Stopped as stopped:
            await checkpoint.save()
            await self._stop(claim, stopped)
        else:
            if not self._stopping and self._is_current(claim):
                self.lose()
        finally:
            log.close()

    async def _stop(self, claim: Claim, reason: Exception) -> None:
        await self._store.subscriptions.stop(claim, str(reason))
        self._claim = None
        self._error = str(reason)
        self._state = "stopped"
        self._handled.wake_all()

    def _begin(self, claim: Claim) -> Checkpoint:
        # Under one epoch no other process ran it: what was handled since the last save counts.
        same = claim.epoch == self._epoch
        known = self.position if same else 0
        self._epoch = claim.epoch
        self._error = None
        self._parking.forget()
        self._move(max(claim.position, known))
        return Checkpoint(
            claim,
            self._store.subscriptions,
            self._move,
            position=self.position,
            valid_until=self._valid_until,
            blocked=self._unparked if same else (),
        )

    async def _step(
        self, checkpoint: Checkpoint, log: PageReader, sparse: SparseReader, *, idle: bool
    ) -> None:
        try:
            inputs = await self._invocation.inputs(checkpoint)
            found = await gathered(log, sparse, self._store, self._invocation, checkpoint)
        except StoreError as error:
            # Nothing was begun, so unlike a lost commit this leaves no doubt about the claim.
            self._note(error)
            await checkpoint.pause(self._backoff.next())
            return
        if not checkpoint.open:
            return
        self._error = None
        self._backoff.reset()
        self._state = "catching-up" if found.far else "live"
        if inputs:
            await self._delivery.deliver(checkpoint, inputs)
        if found.end <= checkpoint.position:
            self._trouble = None
            # What somebody has just retried or discarded is looked at before waiting.
            if idle and (self._claim is None or self._parking.is_current(self._claim)):
                await self._idle(checkpoint)
            return
        if found.absent:
            self._observer.missing(self.key, found.absent)
        self._log_check.handling(found.events)
        if await self._delivery.deliver(checkpoint, found.events):
            checkpoint.advance(found.end)
        self._trouble = None
        if checkpoint.due:
            await checkpoint.save()

    async def _idle(self, checkpoint: Checkpoint) -> None:
        if checkpoint.due:
            await checkpoint.save()
        reasons = (
            checkpoint.seconds_until_due,
            self._invocation.seconds_until_input,
            self._parking.pauses.seconds_until_due,
        )
        foreseen = [seconds for seconds in reasons if seconds is not None]
        if checkpoint.open:
            timeout = min([_IDLE_SECONDS, *foreseen])
            await self._store.wait("events", checkpoint.position, timeout)

    def _note(self, error: StoreError) -> None:
        """Note that the database fails it; the first of several times counts."""
        if self._trouble is None:
            self._trouble_at = asyncio.get_running_loop().time()
        self._trouble = str(error)

    def _is_current(self, claim: Claim) -> bool:
        return self._claim is not None and self._claim.epoch == claim.epoch

    def _end(self) -> None:
        if self._checkpoint is not None:
            self._checkpoint.end()
        self._store.tail.head.wake_all()

    def _move(self, position: int) -> None:
        self.position = position
        self._handled.advance(position)
