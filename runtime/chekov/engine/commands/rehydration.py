"""Rehydration: the state of an instance, from its snapshot, if it has one, and its events.

A command or a `load` reads the state within its own time. When that is over before the end of the
stream is reached, what was read is kept, and a task of the process reads on: so a stream that takes
longer to read than a command may take is read in the end.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextvars import Context
from datetime import datetime
from itertools import islice
from operator import length_hint
from typing import Final, Protocol

from chekov.engine.commands.live_aggregate import LiveAggregate
from chekov.engine.commands.snapshots import Snapshotter
from chekov.engine.failures import described, is_requested
from chekov.engine.observer import Observer
from chekov.errors import HistoryTruncated, StreamNotFound, Undecodable
from chekov.serialization.codec import Codec
from chekov.store.port import Direction, RecordedEvent, Streams

PAGE: Final = 1000
_SLICE: Final = 100
_TURN_SECONDS: Final = 0.02
_MOST_CONTINUED: Final = 8
"""Each of them reads through the pool that commands read through."""

_log: Final = logging.getLogger(__name__)


class StreamReader(Protocol):
    """The part of an event store that reads streams."""

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        until: int | datetime | None = None,
    ) -> Sequence[RecordedEvent]:
        """One page of a stream; see `EventStore.read_stream`."""
        ...


class Rehydrator:
    """Brings instances up to date. The caller holds the lock of the instance.

    Attributes:
        track: of the log, which instances that are up to date are on; see `LogFollower`.
    """

    def __init__(
        self,
        events: StreamReader,
        streams: Streams,
        codec: Codec,
        observer: Observer,
        snapshotter: Snapshotter,
    ) -> None:
        self._events = events
        self._streams = streams
        self._codec = codec
        self._observer = observer
        self._snapshotter = snapshotter
        self._group: asyncio.TaskGroup | None = None
        self._continued: set[str] = set()
        self.track = 0

    async def catch_up(self, instance: LiveAggregate) -> bool:
        """Apply what was stored since; return whether the state may have changed.

        If it is cancelled before it has reached the end of the stream, `run` reads on.

        Raises:
            Undecodable: an event of the stream cannot be read, or the aggregate does not apply it.
            HistoryTruncated: its first events are gone, and no snapshot fits.
        """
        state, version = instance.state, instance.version
        try:
            await self.rehydrate(instance)
        except asyncio.CancelledError:
            self._continue_later(instance)
            raise
        return instance.state is not state or instance.version != version

    async def rehydrate(self, instance: LiveAggregate, until: int | None = None) -> None:
        """Build the state from the store, as it is now or as it was at the version `until`.

        Raises:
            StoreError: as `catch_up`.
        """
        while not await self._advance(instance, until):
            pass

    async def run(self) -> None:
        """Read on where rehydrations were cancelled, until it is cancelled itself."""
        try:
            async with asyncio.TaskGroup() as self._group:
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None

    def continues(self, instance: LiveAggregate) -> bool:
        """Whether the task of `run` reads on for an instance."""
        return instance.stream in self._continued

    async def refuse_deleted(self, stream: str) -> None:
        """Do nothing for a stream that never existed.

        Raises:
            StreamDeleted: it was deleted.
        """
        try:
            await self._streams.info(stream)
        except StreamNotFound:
            return

    def _continue_later(self, instance: LiveAggregate) -> None:
        """Read on in the background; beyond eight instances, the next command does."""
        if instance.rehydrated:  # and behind by more than there was time for
            instance.rehydrated = False
            instance.rehydration_seconds, instance.rehydration_events = 0.0, 0
        self._consider_snapshot(instance)
        group, stream = self._group, instance.stream
        if group is None or stream in self._continued or len(self._continued) >= _MOST_CONTINUED:
            return
        self._continued.add(stream)
        # Of the command that was cancelled, nothing is inherited: neither trace nor locks.
        group.create_task(self._continue(instance), context=Context(), name=f"rehydrate {stream}")

    async def _continue(self, instance: LiveAggregate) -> None:
        """Apply page after page; between two, the lock is free for a snapshot or a command."""
        try:
            while not instance.rehydrated:
                await instance.acquire()
                try:
                    if not instance.rehydrated:
                        await self._advance(instance, None)
                        self._consider_snapshot(instance)
                finally:
                    instance.release()
        except Exception as error:  # noqa: BLE001 the next command meets it too, and raises it
            _log.warning(
                "a rehydration could not be continued",
                extra={"stream": instance.stream, "error": described(error)},
            )
        finally:
            self._continued.discard(instance.stream)

    async def _advance(self, instance: LiveAggregate, until: int | None) -> bool:
        """Apply one page of the events after the cached version; return whether it was the last.

        A state that proves stale (stream deleted, truncated further or created anew) is dropped
        instead. To detect that, the event at the cached version is read again.
        """
        started = time.perf_counter()
        track = self.track
        try:
            if instance.state is None and not await self._restore(instance, until):
                instance.begin(instance.aggregate())
            page = await self._events.read_stream(
                instance.stream, after=max(instance.version - 1, 0), limit=PAGE, until=until
            )
            new = _after_cached(instance, page)
            self._compare_snapshot(instance, fits=new is not None)
            if new is None:
                return False
            await self._apply_in_slices(instance, new)
        finally:
            if not instance.rehydrated:
                instance.rehydration_seconds += time.perf_counter() - started
        if len(page) == PAGE:
            return False
        instance.track = track
        if not instance.rehydrated:
            self._report(instance)
            if until is None:
                self._consider_snapshot(instance)
        return True

    async def _restore(self, instance: LiveAggregate, until: int | None) -> bool:
        if instance.definition.snapshot_due is None:
            return False
        return await self._snapshotter.restore(instance, until)

    def _compare_snapshot(self, instance: LiveAggregate, *, fits: bool) -> None:
        """Drop a state that does not fit the events; one from a snapshot for the empty state."""
        restored, instance.restored = instance.restored, False
        if restored:
            self._snapshotter.report(instance, fits=fits)
        if not fits:
            instance.forget()
            if restored:
                instance.begin(instance.aggregate())

    def _report(self, instance: LiveAggregate) -> None:
        instance.rehydrated = True
        if not instance.version:
            instance.rehydration_seconds = 0.0
            return
        identity = instance.definition.identity
        self._observer.loaded(identity, instance.rehydration_events, instance.rehydration_seconds)

    def _consider_snapshot(self, instance: LiveAggregate) -> None:
        if instance.version and instance.definition.snapshot_due is not None:
            self._snapshotter.consider(instance)

    async def _apply_in_slices(
        self, instance: LiveAggregate, events: Sequence[RecordedEvent]
    ) -> None:
        """Apply events without holding up the loop; when cancelled, after a whole slice."""
        began = time.perf_counter()
        for start in range(0, len(events), _SLICE):
            if time.perf_counter() - began > _TURN_SECONDS:
                await asyncio.sleep(0)
                began = time.perf_counter()
            try:
                self._apply(instance, events[start : start + _SLICE])
            except BaseException:
                instance.forget()
                raise

    def _apply(self, instance: LiveAggregate, events: Sequence[RecordedEvent]) -> None:
        remaining = iter(decoded := self._codec.decode_page(events))
        try:
            instance.apply(remaining)
        except BaseException as error:
            if is_requested(error, asyncio.current_task()):
                raise
            applied = len(decoded) - length_hint(remaining) - 1
            raise self._not_applied(instance, events, applied, error) from error
        instance.version = events[-1].version
        instance.position = events[-1].position
        instance.rehydration_events += len(events)

    def _not_applied(
        self,
        instance: LiveAggregate,
        page: Sequence[RecordedEvent],
        applied: int,
        error: BaseException,
    ) -> Undecodable:
        """The error of the event that could not be applied, after so many of its page."""
        read = (
            (recorded, event) for recorded in page for event in self._codec.decode_all(recorded)
        )
        recorded, event = next(islice(read, applied, None))
        applier = instance.definition.appliers.get(type(event))
        if applier is None:
            reason = (
                f"{instance.aggregate.__qualname__} does not apply {type(event).__qualname__}: "
                "add an @apply method"
            )
        else:
            reason = f"its applier {applier.function.__qualname__} raised {described(error)}"
        return Undecodable(recorded.type, recorded.stream, recorded.version, reason)


def _after_cached(
    instance: LiveAggregate, page: Sequence[RecordedEvent]
) -> Sequence[RecordedEvent] | None:
    """The events of a page after the cached version; `None` if the cache does not match them."""
    if not instance.version:
        if page and page[0].version > 1:
            raise HistoryTruncated(instance.stream, page[0].version)
        return page
    if not page or page[0].version > instance.version + 1:
        return None
    first = page[0]
    if first.version > instance.version:
        return page
    return page[1:] if first.position == instance.position else None
