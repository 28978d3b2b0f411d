"""Snapshots of instances: found when their state is made, kept behind the backs of commands."""

import asyncio
import logging
from collections import OrderedDict
from typing import Final

from chekov.engine.commands.live_aggregate import LiveAggregate
from chekov.engine.observer import Observer
from chekov.serialization.snapshots import EncodedState, RestoredState, SnapshotCodec
from chekov.store.port import Snapshot, Snapshots

_MOST_DUE: Final = 1000
_TURN_SECONDS: Final = 1.0
_DRAIN_SECONDS: Final = 2.0

_log: Final = logging.getLogger(__name__)


class AggregateSnapshots:
    """The snapshots of a process.

    What is due waits as a reference to its instance, and the state is written down when its turn
    comes: so the newest state of a stream is kept, and a slow store makes no copies pile up. When
    too many are due, further ones are passed over until their next event.
    """

    def __init__(self, store: Snapshots, codec: SnapshotCodec, observer: Observer) -> None:
        self._store = store
        self._codec = codec
        self._observer = observer
        self._due: OrderedDict[str, LiveAggregate] = OrderedDict()
        self._more = asyncio.Event()
        self._ended = False

    @property
    def used(self) -> bool:
        """Whether any aggregate of the domain has snapshots."""
        return len(self._codec) > 0

    async def restore(self, instance: LiveAggregate, until: int | None) -> bool:
        """Begin with the stored snapshot, if there is one that is not of a version above `until`.

        Whether it fits the events is for the caller to see.
        """
        snapshot = await self._store.load(instance.stream)
        if snapshot is None or (until is not None and snapshot.version > until):
            return False
        restored = self._codec.decode(
            instance.aggregate, snapshot.version, EncodedState(snapshot.kind, snapshot.data)
        )
        if restored is None:
            self.restored(instance, fits=False)
            return False
        instance.begin(*restored)
        return True

    def restored(self, instance: LiveAggregate, *, fits: bool) -> None:
        """Tell whoever watches what a snapshot was good for."""
        self._observer.snapshot(instance.definition.identity, "used" if fits else "ignored")

    def consider(self, instance: LiveAggregate) -> None:
        """Ask for a snapshot of an instance of which there are more events, when it is due."""
        due = instance.definition.snapshot_due
        events = instance.version - instance.snapshot_version
        try:
            if due is None or not due(instance.version, events, instance.rehydration_seconds):
                return
        except Exception:  # noqa: BLE001 the command, which is stored, must not fail for it
            _log.exception("the snapshot policy of %s failed", instance.aggregate.__qualname__)
            return
        if len(self._due) < _MOST_DUE:
            self._due[instance.stream] = instance
            self._more.set()

    def drop(self) -> None:
        """Keep nothing of what is due; the next event asks again."""
        self._due.clear()

    async def run(self) -> None:
        """Keep what is due, until the end was told and all of it is done."""
        while True:
            while self._due:
                _, instance = self._due.popitem(last=False)
                await self._keep(instance)
            if self._ended:
                return
            self._more.clear()
            await self._more.wait()

    async def drain(self, running: asyncio.Task[None]) -> None:
        """Let `run` finish what is due, within two seconds; the rest is dropped."""
        self._ended = True
        self._more.set()
        await asyncio.wait([running], timeout=_DRAIN_SECONDS)

    async def _keep(self, instance: LiveAggregate) -> None:
        """Store a snapshot; a failure is told in the log and by `Observer.snapshot` only."""
        try:
            snapshot = await self._taken(instance)
            if snapshot is None:
                return
            await self._store.save(snapshot)
        except Exception:  # noqa: BLE001 a shortcut that is missing is nobody's failure
            self._observer.snapshot(instance.definition.identity, "failed")
            _log.warning("no snapshot of %s could be kept", instance.stream, exc_info=True)
        else:
            self._observer.snapshot(instance.definition.identity, "kept")

    async def _taken(self, instance: LiveAggregate) -> Snapshot | None:
        """The state between two commands; `None` when it is not known, or was taken already."""
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await instance.acquire()
        except TimeoutError:
            # A command takes long; the next one asks again.
            return None
        try:
            if instance.state is None or instance.version <= instance.snapshot_version:
                return None
            # Set first, so that a state that cannot be kept is not tried again at each command.
            instance.snapshot_version = instance.version
            restored = RestoredState(instance.state, instance.version, instance.position)
            return Snapshot(instance.stream, restored.version, *self._codec.encode(restored))
        finally:
            instance.release()
