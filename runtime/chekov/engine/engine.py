"""Everything that runs for a domain, over a store that is open."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from uuid import uuid4

from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.handler import EventHandler, Projection
from chekov.engine.commands.consistency import Consistency
from chekov.engine.commands.dispatcher import Dispatcher
from chekov.engine.commands.snapshots import Snapshotter
from chekov.engine.observer import Observer
from chekov.engine.subscriptions.delivery import Delivery, Retry
from chekov.engine.subscriptions.feed import Feed
from chekov.engine.subscriptions.leases import LeaseKeeper
from chekov.engine.subscriptions.subscription import Subscription, SubscriptionStatus
from chekov.errors import StoreError
from chekov.serialization.codec import Codec
from chekov.serialization.snapshots import SnapshotCodec
from chekov.store.port import Store, SubscriptionKey

_RELEASE_SECONDS: Final = 2.0


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
        self._feed = Feed(store.events, observer)
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
        self._handlers = {
            SubscriptionKey(domain.name, definition.name, definition.version): handler
            for handler in domain.handlers
            for definition in (definition_of(handler),)
        }
        self._subscriptions = {
            key: self._subscription(key, handler)
            for key, handler in (self._handlers.items() if subscriptions else ())
        }
        self._ownership = LeaseKeeper(
            store.subscriptions,
            self._subscriptions,
            domain=domain.name,
            # A process that comes back under its old name must not pass for the one that died.
            owner=f"{node}/{uuid4().hex[:8]}",
            lease=lease,
        )
        self.consistency = Consistency(store.subscriptions, self._handlers, self._subscriptions)
        self._keeping: asyncio.Task[None] | None = None
        self._background: list[asyncio.Task[None]] = []
        self._running: list[asyncio.Task[None]] = []

    @property
    def subscriptions(self) -> Mapping[str, SubscriptionStatus]:
        """How each subscription stands here."""
        return {key.name: item.status for key, item in self._subscriptions.items()}

    @property
    def alive(self) -> bool:
        """Whether no background task has ended while it should run."""
        return not any(task.done() for task in (*self._background, *self._running))

    async def prepare(self) -> None:
        """Make what subscriptions need in the store: their rows and their tables."""
        read_models = self._store.read_models
        for key in self._subscriptions:
            handler = self._handlers[key]
            if isinstance(handler, Projection) and read_models is not None:
                await read_models.create_tables(
                    read_models.schema_for(key), definition_of(handler).tables
                )
        if self._subscriptions:
            await self._store.subscriptions.register(self._subscriptions.keys())

    def drop(self) -> None:
        """Hold no state and no event any more; what is needed is read again."""
        self._feed.drop()
        for item in self._subscriptions.values():
            item.drop()
        self._snapshotter.drop()
        self.dispatcher.aggregates.drop()

    def start(self, group: asyncio.TaskGroup) -> None:
        """Start every background task on `group`, which ends when one of them fails."""
        if self._snapshotter.enabled:
            self._keeping = group.create_task(self._snapshotter.run(), name="snapshots")
            self._background.append(self._keeping)
        if not self._subscriptions:
            return
        self._background += [
            group.create_task(self._feed.run(group.create_task), name="feed"),
            group.create_task(self._ownership.run(), name="ownership"),
        ]
        self._running = [
            group.create_task(item.run(group.create_task), name=f"subscription {key.name}")
            for key, item in self._subscriptions.items()
        ]

    async def drain(self) -> None:
        """Finish commands in flight, stop subscriptions at a checkpoint, give them up."""
        await self.dispatcher.drain()
        if self._keeping is not None:
            await self._snapshotter.drain(self._keeping)
        await self.consistency.drain()
        for item in self._subscriptions.values():
            item.stop()
        if self._running:
            await asyncio.wait(self._running)
        await self.halt()

    async def halt(self) -> None:
        """Cancel what is still running, and give up what it owned."""
        tasks = (*self._running, *self._background)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        with suppress(StoreError, TimeoutError):  # the lease runs out by itself
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._ownership.release()

    def _subscription(self, key: SubscriptionKey, handler: EventHandler) -> Subscription:
        delivery = Delivery(handler, self._store, self._codec, self._observer, self._retry)
        return Subscription(key, self._store, self._feed, delivery, self._observer)
