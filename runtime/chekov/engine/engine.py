"""Everything that runs for a domain, over a store that is open."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

from chekov.domain.domain import Domain
from chekov.domain.handler import EventHandler
from chekov.engine.commands.consistency import Consistency
from chekov.engine.commands.dispatcher import Dispatcher
from chekov.engine.commands.snapshots import Snapshotter
from chekov.engine.observer import Observer
from chekov.engine.subscriptions.invocation import Subject
from chekov.engine.subscriptions.keys import subscription_key
from chekov.engine.subscriptions.kinds import kind_of
from chekov.engine.subscriptions.leases import LeaseKeeper
from chekov.engine.subscriptions.page_cache import PageCache
from chekov.engine.subscriptions.retry import Retry
from chekov.engine.subscriptions.subscription import Subscription, SubscriptionStatus
from chekov.serialization.codec import Codec
from chekov.serialization.snapshots import SnapshotCodec
from chekov.store.port import Store, SubscriptionKey

_log: Final = logging.getLogger(__name__)


class Engine:
    """The parts that execute commands and deliver events, tied together.

    Attributes:
        dispatcher: executes commands.
        consistency: waits for handlers.
    """

    def __init__(
        self,
        domain: Domain,
        store: Store,
        codec: Codec,
        observer: Observer,
        *,
        node: str,
        command_timeout: float,
        max_in_flight: int,
        lease: float,
        retry: Retry,
        subscriptions: bool,
    ) -> None:
        self._domain = domain
        self._store = store
        self._codec = codec
        self._observer = observer
        self._retry = retry
        self._pages: PageCache | None = None
        self._snapshotter = Snapshotter(store.snapshots, SnapshotCodec(domain), observer)
        self.dispatcher = Dispatcher(
            domain,
            store,
            codec,
            observer,
            self._snapshotter,
            timeout=command_timeout,
            max_in_flight=max_in_flight,
        )
        keys = {subscription_key(domain, handler): handler for handler in domain.handlers}
        self._subscriptions = {
            key: self._subscription(key, handler)
            for key, handler in (keys.items() if subscriptions else ())
        }
        self._leases = LeaseKeeper(
            store,
            self._subscriptions,
            domain=domain.name,
            # A process that comes back under its old name must not pass for the one that died.
            owner=f"{node}/{uuid4().hex[:8]}",
            lease=lease,
        )
        self.consistency = Consistency(store.subscriptions, keys, self._subscriptions)
        self._background: dict[str, asyncio.Task[None]] = {}
        self._running: list[asyncio.Task[None]] = []
        self._draining = False

    @property
    def subscriptions(self) -> Mapping[SubscriptionKey, SubscriptionStatus]:
        """The status of each subscription in this process."""
        return {key: item.status for key, item in self._subscriptions.items()}

    @property
    def alive(self) -> bool:
        """Whether no background task has ended while it should run."""
        tasks = (*self._background.values(), *self._running)
        return self._draining or not any(task.done() for task in tasks)

    async def prepare(self) -> None:
        """Create what subscriptions need in the store: their rows and their tables."""
        for subscription in self._subscriptions.values():
            await subscription.prepare()

    def drop(self) -> None:
        """Discard every cached state and event; what is needed is read again."""
        if self._pages is not None:
            self._pages.clear()
        self._snapshotter.drop()
        self.dispatcher.aggregates.drop()

    def start(self, group: asyncio.TaskGroup) -> None:
        """Start every background task on `group`, which ends when one of them fails."""
        self._background["rehydration"] = group.create_task(
            self.dispatcher.rehydrate(), name="rehydration"
        )
        if self._snapshotter.enabled:
            self._background["snapshots"] = group.create_task(
                self._snapshotter.run(), name="snapshots"
            )
        if self._subscriptions:
            self._start_subscriptions(group)
        for task in (*self._background.values(), *self._running):
            task.add_done_callback(_report)

    def _start_subscriptions(self, group: asyncio.TaskGroup) -> None:
        pages = self._pages = PageCache(self._store, self._store.tail.drops, group.create_task)
        self._background["leases"] = group.create_task(self._leases.run(), name="leases")
        self._running = [
            group.create_task(item.run(pages), name=f"subscription {key.name}")
            for key, item in self._subscriptions.items()
        ]

    async def drain(self) -> None:
        """Refuse new commands, stop subscriptions at a checkpoint, then finish what is in flight.

        In this order, a handler that dispatches a command meanwhile is refused, ends at its event,
        and another process repeats that event.
        """
        self._draining = True
        self.dispatcher.close()
        await self._stop_subscriptions()
        await self.dispatcher.drain()
        if "rehydration" in self._background:
            await _cancelled(self._background.pop("rehydration"))
        if "snapshots" in self._background:
            await self._snapshotter.drain(self._background["snapshots"])
        await self.consistency.drain()
        await self.halt()

    async def halt(self) -> None:
        """Cancel what is still running, and give up what it owned."""
        await _cancelled(*self._running, *self._background.values())
        await self._leases.release()

    async def _stop_subscriptions(self) -> None:
        """End each at its checkpoint, and let other processes have them."""
        for item in self._subscriptions.values():
            item.stop()
        if self._running:
            await asyncio.wait(self._running)
            self._running.clear()
            await _cancelled(self._background.pop("leases"))
            await self._leases.release()

    def _subscription(self, key: SubscriptionKey, handler: EventHandler) -> Subscription:
        subject = Subject(
            key, handler, self._store, self._codec, self._domain, self.dispatcher.execute
        )
        invocation = kind_of(handler)(subject)
        return Subscription(invocation, self._store, self._observer, self._retry)


def _report(task: asyncio.Task[None]) -> None:
    """Log which background task failed, since its error ends the process."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a background task failed", extra={"task": task.get_name()}, exc_info=error)


async def _cancelled(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
