"""Snapshots of live aggregates: restored at rehydration, taken in the background."""

import asyncio
import logging
from collections import OrderedDict
from typing import Final

from chekov.engine.commands.live_aggregate import LiveAggregate
from chekov.engine.failures import is_requested
from chekov.engine.observer import Observer
from chekov.serialization.snapshots import EncodedState, RestoredState, SnapshotCodec
from chekov.store.port import Snapshot, Snapshots

_MOST_DUE: Final = 1000
_TURN_SECONDS: Final = 1.0
_DRAIN_SECONDS: Final = 2.0

_log: Final = logging.getLogger(__name__)


class Snapshotter:
    """Restores instances from snapshots, and takes new ones when they are due.

    A due snapshot is queued as a reference to its instance, whose state is encoded when it is
    its turn: so the newest state is stored, and a slow store makes no copies pile up. While
    1000 are queued, further ones are skipped until the next event of their instance.
    """

    def __init__(self, store: Snapshots, codec: SnapshotCodec, observer: Observer) -> None:
        self._store = store
        self._codec = codec
        self._observer = observer
        self._due: OrderedDict[str, LiveAggregate] = OrderedDict()
        self._more = asyncio.Event()
        self._ended = False

    @property
    def enabled(self) -> bool:
        """Whether any aggregate of the domain has snapshots."""
        return len(self._codec) > 0

    async def restore(self, instance: LiveAggregate, until: int | None) -> bool:
        """Set the state to the stored snapshot, unless there is none or only one above `until`.

        The caller compares it with the events, and calls `report`.
        """
        snapshot = await self._store.load(instance.stream)
        if snapshot is None or (until is not None and snapshot.version > until):
            return False
        restored = self._codec.decode(
            instance.aggregate, snapshot.version, EncodedState(snapshot.kind, snapshot.data)
        )
        if restored is None:
            self.report(instance, fits=False)
            return False
        instance.begin(*restored)
        return True

    def report(self, instance: LiveAggregate, *, fits: bool) -> None:
        """Report to the observer whether a stored snapshot was used."""
        self._observer.snapshot(instance.definition.identity, "used" if fits else "ignored")

    def consider(self, instance: LiveAggregate) -> None:
        """Queue a snapshot of an instance that has new events, if its policy says so."""
        due = instance.definition.snapshot_due
        events = instance.version - instance.snapshot_version
        try:
            if due is None or not due(instance.version, events, instance.rehydration_seconds):
                return
        except BaseException as error:
            if is_requested(error, asyncio.current_task()):
                raise
            # The command is stored and must not fail because of it.
            _log.exception("the snapshot policy of %s failed", instance.aggregate.__qualname__)
            return
        if len(self._due) < _MOST_DUE:
            self._due[instance.stream] = instance
            self._more.set()

    def drop(self) -> None:
        """Empty the queue; the next event of each instance queues it again."""
        self._due.clear()

    async def run(self) -> None:
        """Take the snapshots that are due, until `drain` is called and the queue is empty."""
        while True:
            while self._due:
                _, instance = self._due.popitem(last=False)
                await self._take(instance)
            if self._ended:
                return
            self._more.clear()
            await self._more.wait()

    async def drain(self, running: asyncio.Task[None]) -> None:
        """Let `run` finish the queue within two seconds; the rest is dropped."""
        self._ended = True
        self._more.set()
        await asyncio.wait([running], timeout=_DRAIN_SECONDS)

    async def _take(self, instance: LiveAggregate) -> None:
        """Store a snapshot; a failure shows in the log and in `Observer.snapshot` only."""
        try:
            snapshot = await self._snapshot(instance)
            if snapshot is None:
                return
            await self._store.save(snapshot)
        except BaseException as error:
            if is_requested(error, asyncio.current_task()):
                raise
            # Without a snapshot, the events are read.
            self._observer.snapshot(instance.definition.identity, "failed")
            _log.warning("no snapshot of %s could be kept", instance.stream, exc_info=True)
        else:
            self._observer.snapshot(instance.definition.identity, "kept")

    async def _snapshot(self, instance: LiveAggregate) -> Snapshot | None:
        """Encode the state between two commands; `None` if it is unknown or stored already."""
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await instance.acquire()
        except TimeoutError:
            # A command takes long; the next one queues the snapshot again.
            return None
        try:
            if instance.state is None or instance.version <= instance.snapshot_version:
                return None
            # Set first, so that a state that cannot be encoded is not tried at every command.
            instance.snapshot_version = instance.version
            restored = RestoredState(instance.state, instance.version, instance.position)
            return Snapshot(instance.stream, restored.version, *self._codec.encode(restored))
        finally:
            instance.release()
