"""Everything that runs for a domain, over a store that is open."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from chekov.domain.boundary import scopes_of
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.failure import Retry
from chekov.domain.handler import EventHandler, Projection
from chekov.domain.handler_definition import HandlerSettings
from chekov.domain.process_manager import ProcessManager
from chekov.engine.commands.cache_limits import CacheLimits
from chekov.engine.commands.chains import Chains
from chekov.engine.commands.consistency import Consistency
from chekov.engine.commands.dispatcher import Dispatcher
from chekov.engine.commands.snapshots import Snapshotter
from chekov.engine.commands.tag_index import TagIndexer
from chekov.engine.observer import Observer
from chekov.engine.processes.scheduled_commands import ScheduledCommands
from chekov.engine.reading import EventReader
from chekov.engine.subscriptions.definitions import handler_definitions
from chekov.engine.subscriptions.generations import GenerationKeeper
from chekov.engine.subscriptions.invocation import Invocation, Subject
from chekov.engine.subscriptions.keys import partition_keys, subscription_key
from chekov.engine.subscriptions.kinds import kind_of
from chekov.engine.subscriptions.layouts import Division, LayoutKeeper, first_of
from chekov.engine.subscriptions.leases import LeaseKeeper
from chekov.engine.subscriptions.page_cache import PageCache
from chekov.engine.subscriptions.status import SubscriptionStatus
from chekov.engine.subscriptions.subscription import Subscription
from chekov.serialization.codec import Codec
from chekov.serialization.snapshots import SnapshotCodec
from chekov.store.port import Layout, Store, SubscriptionKey
from chekov.watermark import Watermark

_log: Final = logging.getLogger(__name__)


class Engine:
    """The parts that execute commands and deliver events, tied together.

    Attributes:
        dispatcher: executes commands.
        consistency: waits for handlers.
        generations: of the projections, as this process knows them.
        reader: reads events for programs.
        tag_index: what boundaries can decide by.
        definitions: of the handlers, by name, with the settings of this installation.
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
        cache: CacheLimits,
        lease: float,
        retry: Retry,
        most_parked_keys: int,
        max_recurring: int,
        handlers: Mapping[str, HandlerSettings],
        subscriptions: bool,
        debug: bool,
    ) -> None:
        self._domain = domain
        self._store = store
        self._codec = codec
        self._observer = observer
        self._retry = retry
        self._most_parked_keys = most_parked_keys
        self._pages: PageCache | None = None
        self._background: dict[str, asyncio.Task[None]] = {}
        self._running: dict[SubscriptionKey, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._draining = False
        self.reader = EventReader(domain, store, codec)
        self._snapshotter = Snapshotter(store.snapshots, SnapshotCodec(domain), observer)
        # A process that comes back under its old name must not pass for the one that died.
        owner = f"{node}/{uuid4().hex[:8]}"
        self.tag_index = TagIndexer(domain, store.events, store.tag_index, codec, owner)
        self.dispatcher = Dispatcher(
            domain,
            store,
            codec,
            observer,
            self._snapshotter,
            timeout=command_timeout,
            max_in_flight=max_in_flight,
            cache=cache,
            check=self.tag_index.check,
            debug=debug,
        )
        self.scheduled = ScheduledCommands(
            domain,
            store.schedules,
            codec,
            self.dispatcher.execute,
            max_recurring=max_recurring,
        )
        self._sends_scheduled = subscriptions and bool(domain.commands)
        self.definitions = handler_definitions(domain, handlers)
        keys = {subscription_key(domain, handler): handler for handler in domain.handlers}
        self._handlers = keys if subscriptions else {}
        self._divided: dict[SubscriptionKey, Layout] = {}
        self._invocations: dict[SubscriptionKey, Invocation] = {}
        self._subscriptions: dict[SubscriptionKey, Subscription] = {}
        wanted: dict[SubscriptionKey, Division] = {}
        for key, handler in self._handlers.items():
            definition = self.definitions[key.name]
            partitions, keyed_by = definition.partitions, definition.keyed_by
            self._divide(Layout(key, partitions, keyed_by=keyed_by))
            if handler.__most_partitions__ > 1:
                wanted[key] = Division(partitions, keyed_by)
        self._layouts = LayoutKeeper(
            store,
            wanted,
            self._divide,
            lambda key, event: self._invocations[key].partition_key(event),
        )
        projections = [key for key, handler in keys.items() if isinstance(handler, Projection)]
        self.generations = GenerationKeeper(store, projections, self._adopt)
        self._leases = LeaseKeeper(
            store,
            self._subscriptions,
            domain=domain.name,
            owner=owner,
            lease=lease,
            layouts=self._layouts,
            revisions=codec.revisions,
            identities=[definition_of(item).identity for item in domain.aggregates],
        )
        self._lease = lease
        strong = [key for key in keys if self.definitions[key.name].consistency == "strong"]
        managers = [key for key, handler in keys.items() if isinstance(handler, ProcessManager)]
        self.consistency = Consistency(
            store.subscriptions,
            keys,
            strong,
            self._subscriptions,
            self.generations.current,
            Chains(store.events, store.processes, managers),
            layouts=self._divided,
        )

    @property
    def subscriptions(self) -> Mapping[SubscriptionKey, SubscriptionStatus]:
        """The status of each subscription in this process."""
        return {key: item.status for key, item in self._subscriptions.items()}

    @property
    def alive(self) -> bool:
        """Whether no background task has ended while it should run."""
        tasks = (*self._background.values(), *self._running.values())
        return self._draining or not any(task.done() for task in tasks)

    @property
    def troubles(self) -> Sequence[str]:
        """What keeps background tasks from their work now, a sentence for each."""
        return [
            *self._store.troubles,
            *self._leases.troubles,
            *self.tag_index.troubles,
            *(
                f"subscription {status.name} is {status.state}: {status.error}"
                for status in self.subscriptions.values()
                if status.error
            ),
        ]

    async def prepare(self) -> None:
        """Create what subscriptions need in the store, and report which tags are written here.

        Raises:
            IdentityTaken: another domain has an aggregate of the same identity there.
            StoreError: the store is away.
        """
        await self._leases.refuse_taken_identities()
        await self.tag_index.prepare()
        await self._layouts.prepare()
        first = {key: item for key, item in self._subscriptions.items() if key.partition == 0}
        rows = await self._store.subscriptions.list(self._domain.name) if first else ()
        registered = {(row.key.name, row.key.version) for row in rows}
        for key, item in first.items():
            await item.prepare(registered=(key.name, key.version) in registered)
        await self.generations.refresh()

    def drop(self) -> None:
        """Discard every cached state and event; what is needed is read again."""
        if self._pages is not None:
            self._pages.clear()
        self._snapshotter.drop()
        self.dispatcher.aggregates.drop()

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Start every background task on `group`, which ends when one of them fails.

        Raises:
            StoreError: the store is away.
        """
        if self._subscriptions:
            await self._join(group)
        self._begin(group, "rehydration", self.dispatcher.rehydrate())
        self._begin(group, "followed log", self.dispatcher.follow())
        self._begin(group, "tag index", self.tag_index.run())
        if any(map(scopes_of, self._domain.aggregates)):
            self._begin(group, "condition checks", self.dispatcher.conditions.run())
        if (instances := self.dispatcher.aggregates.instances).expires:
            self._begin(group, "idle instances", instances.tend())
        if self._snapshotter.enabled:
            self._begin(group, "snapshots", self._snapshotter.run())
        if self.generations.active:
            self._begin(group, "generations", self.generations.run(self._lease / 3))
        if self._sends_scheduled:
            self._begin(group, "scheduled commands", self.scheduled.run())
        self._group = group
        self._pages = PageCache(self._store, self._store.tail.drops, group.create_task)
        self.reader.begin(self._pages)
        if self._subscriptions:
            self._begin(group, "leases", self._leases.run())
            for key in self._subscriptions:
                self._start(key)
        resets = self._store.tail.resets
        self._begin(group, "log", self._watch_log(resets, resets.value))

    def _begin(self, group: asyncio.TaskGroup, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._background[name] = group.create_task(work, name=name)
        task.add_done_callback(_report)

    async def _join(self, group: asyncio.TaskGroup) -> None:
        """Be a node, once older ones have given up what this one runs too."""
        try:
            await self._leases.join()
            self._begin(group, "node", self._leases.attend())
            await self._leases.succeed()
        except BaseException:
            await self.halt()  # or else others would leave its share to this process
            raise

    async def _watch_log(self, resets: Watermark, seen: int) -> None:
        """Start anew whenever the log was restored to an earlier state."""
        while True:
            value = await resets.wait_above(seen)
            if value > seen:
                seen = value
                self.drop()
                self.consistency.drop()
                for subscription in self._subscriptions.values():
                    subscription.restart()

    def _start(self, key: SubscriptionKey) -> None:
        if self._group is None or self._pages is None:
            return
        task = self._group.create_task(
            self._subscriptions[key].run(self._pages), name=f"subscription {key.name}"
        )
        task.add_done_callback(_report)
        self._running[key] = task

    def _adopt(self, running: Mapping[SubscriptionKey, Sequence[SubscriptionKey]]) -> None:
        """Run these generations of each projection, and no others of it."""
        if self._draining or not self._handlers:
            return
        for projection, keys in running.items():
            for key in [key for key in self._subscriptions if _first(key) == projection]:
                if key not in keys:
                    self._end(key)
            for key in keys:
                if key not in self._subscriptions:
                    handler = self._handlers[projection]
                    self._subscriptions[key] = self._subscription(key, handler, Layout(key, 1))
                    self._start(key)

    def _divide(self, layout: Layout) -> None:
        """Run the partitions of a layout, and no others of its subscription."""
        if self._draining:
            return
        for key in [key for key in self._subscriptions if first_of(key) == layout.key]:
            self._end(key)
        self._divided[layout.key] = layout
        handler = self._handlers[layout.key]
        for key in partition_keys(layout.key, layout.partitions):
            self._subscriptions[key] = self._subscription(key, handler, layout)
            self._start(key)

    def _end(self, key: SubscriptionKey) -> None:
        self._subscriptions.pop(key).stop()
        task = self._running.pop(key, None)
        if task is not None:
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def drain(self) -> None:
        """Refuse new commands, stop subscriptions at a checkpoint, then finish what is in flight.

        In this order, a handler that dispatches a command meanwhile is refused, ends at its event,
        and another process repeats that event.
        """
        self._draining = True
        self.reader.end()
        if sending := self._background.pop("scheduled commands", None):
            await _cancelled(sending)
        self.dispatcher.close()
        await self._stop_subscriptions()
        await self.dispatcher.drain()
        if "rehydration" in self._background:
            await _cancelled(self._background.pop("rehydration"))
        if "snapshots" in self._background:
            await self._snapshotter.drain(self._background["snapshots"])
        if (indexing := self._background.pop("tag index", None)) is not None:
            await _cancelled(indexing)
        await self.tag_index.leave()
        alone = bool(self._subscriptions) and await self._leases.alone()
        await self.consistency.drain(alone=alone)
        await self.halt()

    async def halt(self) -> None:
        """Cancel what is still running, and give up what it owned."""
        self.reader.end()
        await _cancelled(*self._running.values(), *self._ending, *self._background.values())
        await self._leases.release()
        await self.tag_index.leave()

    async def _stop_subscriptions(self) -> None:
        """End each at its checkpoint, and let other processes have them."""
        if "generations" in self._background:
            await _cancelled(self._background.pop("generations"))
        for item in self._subscriptions.values():
            item.stop()
        if self._running:
            await asyncio.wait([*self._running.values(), *self._ending])
            self._running.clear()
            await _cancelled(self._background.pop("leases"), self._background.pop("node"))
            await self._leases.release()

    def _subscription(
        self, key: SubscriptionKey, handler: EventHandler, layout: Layout
    ) -> Subscription:
        former = self._invocations.get(first_of(key))
        subject = Subject(
            key,
            handler,
            self.definitions[key.name],
            layout,
            self._store,
            self._codec,
            self._domain,
            self.dispatcher.execute,
            self.scheduled,
            former and former.keys,
        )
        invocation = self._invocations[first_of(key)] = kind_of(handler)(subject)
        return Subscription(
            invocation,
            self._store,
            self._observer,
            invocation.definition.retry or self._retry,
            most_parked_keys=self._most_parked_keys,
        )


def _first(key: SubscriptionKey) -> SubscriptionKey:
    """The key of a subscription as the domain has it, whichever generation runs."""
    return replace(key, generation=1)


def _report(task: asyncio.Task[None]) -> None:
    """Log which background task failed, since its error ends the process."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a background task failed", extra={"task": task.get_name()}, exc_info=error)


async def _cancelled(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
