"""One subscription in one process: waiting for its turn, catching up, following, or stopped."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chekov.domain.handler import EventHandler
from chekov.engine.delivery import Delivery, Stopped
from chekov.engine.feed import Feed
from chekov.engine.observer import Observer
from chekov.errors import Fenced, StoreUnavailable
from chekov.store.port import Claim, EventStore, RecordedEvent, SubscriptionKey, SubscriptionStore

State = Literal["waiting", "catching-up", "live", "retrying", "paused", "stopped"]

PAGE = 1000
SAVE_EVENTS = 1000
SAVE_SECONDS = 0.2
_IDLE_SECONDS = 1.0
_PAUSE = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """A subscription as this process sees it.

    Attributes:
        owned: whether it runs here.
        position: everything up to here is handled.
        head: the newest position known.
        lag: `head - position`.
        parked: events this process set aside.
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
    """Runs a handler while a claim holds."""

    def __init__(
        self,
        handler: EventHandler,
        key: SubscriptionKey,
        store: EventStore,
        checkpoints: SubscriptionStore,
        feed: Feed,
        delivery: Delivery,
        observer: Observer,
    ) -> None:
        self.key = key
        self.handler = handler
        self._store = store
        self._checkpoints = checkpoints
        self._feed = feed
        self._delivery = delivery
        self._observer = observer
        self._claim: Claim | None = None
        self._claimed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._moved = asyncio.Event()
        self._position = 0
        self._saved = 0
        self._saved_at = 0.0
        self._went_live = False
        self._state: State = "waiting"
        self._error: str | None = None

    @property
    def claim(self) -> Claim | None:
        """What this process holds of it."""
        return self._claim

    @property
    def position(self) -> int:
        """Everything up to here is handled, as far as this process knows."""
        return self._position

    @property
    def status(self) -> SubscriptionStatus:
        """A snapshot for people and probes."""
        error = self._error or self._delivery.retrying
        state: State = "retrying" if self._delivery.retrying else self._state
        head = max(self._feed.head, self._position)
        return SubscriptionStatus(
            name=self.key.name,
            kind="projection" if self._delivery.transactional else "handler",
            version=self.key.version,
            state=state,
            owned=self._claim is not None,
            position=self._position,
            head=head,
            lag=head - self._position,
            parked=self._delivery.parked,
            error=error,
        )

    def take(self, claim: Claim) -> None:
        """Run under a claim that was just made or renewed."""
        if self._claim is None or self._claim.epoch != claim.epoch:
            self._position = self._saved = claim.position
            self._error = None
        self._claim = claim
        self._claimed.set()

    def lose(self) -> None:
        """Stop delivering: another process owns it, or nobody may run it."""
        if self._claim is not None:
            _log.warning("a subscription is no longer owned", extra={"subscription": self.key.name})
        self._claim = None
        self._claimed.clear()
        self._show("waiting")

    async def moved(self, position: int) -> None:
        """Return when everything up to `position` is handled here."""
        while self._position < position:
            await self._moved.wait()

    async def run(self) -> None:
        """Deliver whenever there is a claim, until stopped."""
        while not self._stopping.is_set():
            await _either(self._claimed, self._stopping)
            claim = self._claim
            if claim is None:
                continue
            try:
                await self._deliver(claim)
                await self._save(claim)
            except Fenced:
                self.lose()
            except Stopped as stopped:
                await self._stop(claim, str(stopped))
            except StoreUnavailable as error:
                self._error = str(error)
                await asyncio.sleep(_PAUSE)

    def stop(self) -> None:
        """End after the events at hand; `run` returns when the checkpoint is saved."""
        self._stopping.set()
        self._feed.wake()

    async def _deliver(self, claim: Claim) -> None:
        while not self._stopping.is_set() and self._holds(claim):
            events = self._feed.after(self._position, PAGE)
            if events is None:
                self._show("catching-up")
                events = await self._store.read_page(after=self._position, limit=PAGE)
            elif not events:
                self._went_live = True
                self._show("live")
                await self._wait(claim)
                continue
            await self._handle(claim, events)

    async def _handle(self, claim: Claim, events: Sequence[RecordedEvent]) -> None:
        if not events:
            return
        self._check(events)
        wanted = self._delivery.wanted(events)
        if wanted:
            await self._delivery.deliver(claim, wanted, replaying=not self._went_live)
            if self._delivery.transactional:
                self._saved = max(self._saved, wanted[-1].position)
        self._error = None
        self._position = events[-1].position
        if self._position - self._saved >= SAVE_EVENTS:
            await self._save(claim)
        self._tell()

    async def _wait(self, claim: Claim) -> None:
        """Wait for more, but write a checkpoint that is due first."""
        due = self._saved_at + SAVE_SECONDS - asyncio.get_running_loop().time()
        if self._saved < self._position and due <= 0:
            await self._save(claim)
        patience = due if self._saved < self._position else _IDLE_SECONDS
        await self._feed.beyond(self._position, max(0.0, patience))

    async def _save(self, claim: Claim) -> None:
        if self._saved < self._position and self._holds(claim):
            await self._checkpoints.save(claim, self._position)
            self._saved = self._position
        self._saved_at = asyncio.get_running_loop().time()

    async def _stop(self, claim: Claim, reason: str) -> None:
        self._error = reason
        try:
            await self._checkpoints.stop(claim, reason)
        except Fenced:
            self.lose()
            return
        self._claim = None
        self._claimed.clear()
        self._show("stopped")

    def _holds(self, claim: Claim) -> bool:
        return self._claim is not None and self._claim.epoch == claim.epoch

    def _check(self, events: Sequence[RecordedEvent]) -> None:
        absent = events[-1].position - self._position - len(events)
        if absent:
            self._observer.missing(self.key.name, absent)

    def _show(self, state: State) -> None:
        if state != self._state:
            self._state = state
            self._tell()

    def _tell(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
        self._observer.subscription(
            self.key.name, self._state, self._position, max(self._feed.head, self._position)
        )


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(event.wait()) for event in (one, other)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
