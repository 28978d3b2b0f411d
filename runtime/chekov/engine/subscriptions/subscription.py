"""One subscription in one process: waiting for its turn, catching up, following, or stopped."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal

from chekov.domain.handler import Projection
from chekov.engine.observer import Observer
from chekov.engine.subscriptions.checkpoint import Checkpoint
from chekov.engine.subscriptions.delivery import Delivery, Stopped
from chekov.engine.subscriptions.feed import Feed
from chekov.engine.subscriptions.page_reader import PAGE_EVENTS, PageReader, Start
from chekov.engine.subscriptions.waiters import Waiters
from chekov.errors import Fenced, StoreUnavailable
from chekov.store.port import Claim, RecordedEvent, Store, SubscriptionKey, SubscriptionRow

State = Literal["waiting", "catching-up", "live", "retrying", "paused", "stopped"]

_IDLE_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)

current_subscription: ContextVar[SubscriptionKey | None] = ContextVar(
    "current_subscription", default=None
)
"""The subscription whose handler is running."""


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """A subscription as this process sees it.

    Attributes:
        name: as the domain calls it.
        kind: what it feeds.
        version: of the projection.
        state: `waiting` while another process runs it.
        owned: whether it runs here.
        position: everything up to here is handled; of one that runs elsewhere, as of its last
            checkpoint.
        head: the newest position known.
        lag: `head - position`.
        parked: events that were set aside.
        error: why it stopped or what it retries.
    """

    name: str
    kind: Literal["handler", "projection"]
    version: int
    state: State
    owned: bool
    position: int
    head: int
    lag: int
    parked: int
    error: str | None


class Subscription:
    """Runs a handler while a claim holds.

    Attributes:
        key: names it in the store.
        position: everything up to here is handled, as far as this process knows.
    """

    def __init__(
        self, key: SubscriptionKey, store: Store, feed: Feed, delivery: Delivery, observer: Observer
    ) -> None:
        self.key = key
        self.position = 0
        self._store = store
        self._feed = feed
        self._delivery = delivery
        self._observer = observer
        self._pages = PageReader(store.events)
        self._waiters = Waiters()
        self._claim: Claim | None = None
        self._epoch = 0
        self._valid_until = 0.0
        self._doubted_at: float | None = None
        self._progress: Checkpoint | None = None
        self._changed = asyncio.Event()
        self._stopping = False
        self._state: State = "waiting"
        self._error: str | None = None
        self._parked = 0

    @property
    def owned(self) -> bool:
        """Whether this process holds a claim on it."""
        return self._claim is not None

    @property
    def status(self) -> SubscriptionStatus:
        """A snapshot for people and probes."""
        retrying = self._delivery.retrying
        head = max(self._feed.head, self.position)
        return SubscriptionStatus(
            name=self.key.name,
            kind="projection" if isinstance(self._delivery.handler, Projection) else "handler",
            version=self.key.version,
            state="retrying" if retrying else self._state,
            owned=self.owned,
            position=self.position,
            head=head,
            lag=head - self.position,
            parked=self._parked + self._delivery.parked,
            error=retrying or self._error,
        )

    def take(self, claim: Claim, *, asked_at: float, lease: float) -> None:
        """Run under a claim that was just made or renewed.

        Args:
            claim: what the store answered.
            asked_at: when it was asked, by the loop's clock; the claim holds from then on.
            lease: for how many seconds.
        """
        if self._claim is not None and self._claim.epoch != claim.epoch:
            self.lose()
        self._claim = claim
        self._valid_until = asked_at + lease
        if self._progress is not None:
            self._progress.valid_until = self._valid_until
        if self._doubted_at is None or asked_at > self._doubted_at:
            self._doubted_at = None
            self._changed.set()

    def lose(self) -> None:
        """Stop delivering: another process owns it, or nobody may run it."""
        if self._claim is None:
            return
        if not self._stopping:
            _log.warning("a subscription is no longer owned", extra={"subscription": self.key.name})
        self._claim = None
        self._end()
        self._state = "waiting"
        self._waiters.recheck()

    def learn(self, row: SubscriptionRow) -> None:
        """Take over what the store says, as far as this process does not know better."""
        self._parked = row.parked
        self._delivery.parked = 0
        if self._claim is None:
            self._moved(row.position)
            self._error = row.error
            self._state = "waiting" if row.state == "running" else row.state

    async def save(self) -> None:
        """Write the checkpoint also while a handler takes its time."""
        progress = self._progress
        if progress is not None and progress.open:
            with suppress(Fenced):  # `run` will find out
                await progress.save()

    def stop(self) -> None:
        """End after the event at hand; `run` returns when the checkpoint is saved."""
        self._stopping = True
        self._end()
        self._changed.set()

    def drop(self) -> None:
        """Give up what was read ahead."""
        self._pages.close()

    async def reached(self, position: int) -> bool:
        """Wait until everything up to `position` is handled here; `False` if it will not be."""
        while self.position < position:
            if self._claim is None or self._stopping:
                return False
            await self._waiters.wait(position)
        return True

    async def run(self, start: Start) -> None:
        """Deliver whenever there is a claim, until stopped; pages are read by tasks of `start`."""
        self._pages.read_ahead(start)
        current_subscription.set(self.key)
        await self._feed.started()
        while (claim := await self._turn()) is not None:
            try:
                await self._run(claim)
            except Fenced:
                if self._holds(claim):
                    self.lose()
            except StoreUnavailable as error:
                # An unanswered commit may have happened: only a claim asked for from now on knows.
                self._doubted_at = asyncio.get_running_loop().time()
                self._error = str(error)
            finally:
                self._progress = None

    async def _turn(self) -> Claim | None:
        """The claim to run under, as soon as there is one; `None` when it is time to end."""
        while not self._stopping:
            if self._claim is not None and self._doubted_at is None:
                return self._claim
            self._changed.clear()
            await self._changed.wait()
        return None

    async def _run(self, claim: Claim) -> None:
        progress = self._progress = self._begin(claim)
        try:
            await self._deliver_all(progress)
            if self._holds(claim):
                await progress.save()
        except Stopped as stopped:
            await progress.save()
            await self._store.subscriptions.stop(claim, str(stopped))
            self._claim = None
            self._error = str(stopped)
            self._state = "stopped"
            self._waiters.recheck()
        else:
            if not self._stopping and self._holds(claim):
                self.lose()

    def _begin(self, claim: Claim) -> Checkpoint:
        # Under one epoch nobody else ran it: what was handled here since the last save counts.
        known = self.position if claim.epoch == self._epoch else 0
        self._epoch = claim.epoch
        self._error = None
        self._moved(max(claim.position, known))
        return Checkpoint(
            claim,
            self._store.subscriptions,
            self._moved,
            position=self.position,
            replay_until=claim.registered,
            valid_until=self._valid_until,
        )

    async def _deliver_all(self, progress: Checkpoint) -> None:
        try:
            while progress.open:
                await self._step(progress)
        finally:
            self._pages.close()

    async def _step(self, progress: Checkpoint) -> None:
        events = self._feed.after(progress.position, PAGE_EVENTS)
        if events is None:
            self._state = "catching-up"
            events = await self._pages.after(progress.position)
        if not events:
            self._pages.close()
            self._state = "live"
            await self._idle(progress)
            return
        self._check(progress.position, events)
        if await self._delivery.deliver(progress, self._delivery.wanted(events)):
            progress.advance(events[-1].position)
        if progress.due:
            await progress.save()

    async def _idle(self, progress: Checkpoint) -> None:
        if progress.due:
            await progress.save()
        patience = progress.patience
        await self._feed.beyond(progress.position, _IDLE_SECONDS if patience is None else patience)

    def _holds(self, claim: Claim) -> bool:
        return self._claim is not None and self._claim.epoch == claim.epoch

    def _end(self) -> None:
        if self._progress is not None:
            self._progress.ended.set()
        self._feed.wake()

    def _check(self, position: int, events: Sequence[RecordedEvent]) -> None:
        absent = events[-1].position - position - len(events)
        if absent:
            self._observer.missing(self.key.name, absent)

    def _moved(self, position: int) -> None:
        self.position = position
        self._waiters.reach(position)
