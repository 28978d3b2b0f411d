"""Rehydration: the state of an instance, from its snapshot, if it has one, and its events."""

import asyncio
import time
from collections.abc import Sequence
from itertools import islice
from operator import length_hint
from typing import Final

from chekov.engine.commands.live_aggregate import LiveAggregate
from chekov.engine.commands.snapshots import Snapshotter
from chekov.engine.failures import described, is_requested
from chekov.engine.observer import Observer
from chekov.errors import HistoryTruncated, StreamNotFound, Undecodable
from chekov.serialization.codec import Codec
from chekov.store.port import RecordedEvent, Store

PAGE: Final = 1000


class Rehydrator:
    """Brings instances up to date. The caller holds the lock of the instance."""

    def __init__(
        self, store: Store, codec: Codec, observer: Observer, snapshotter: Snapshotter
    ) -> None:
        self._events = store.events
        self._streams = store.streams
        self._codec = codec
        self._observer = observer
        self._snapshotter = snapshotter

    async def catch_up(self, instance: LiveAggregate) -> bool:
        """Apply what was stored since; return whether the state may have changed.

        Raises:
            Undecodable: an event of the stream cannot be read, or the aggregate does not apply it.
            HistoryTruncated: its first events are gone, and no snapshot fits.
        """
        if instance.state is not None:
            count = await self._apply_newer(instance, None)
            if count is not None:
                return count > 0
        await self.rehydrate(instance)
        return True

    async def rehydrate(self, instance: LiveAggregate, until: int | None = None) -> None:
        """Build the state from the store, as it is now or as it was at the version `until`.

        Raises:
            StoreError: as `catch_up`.
        """
        started = time.perf_counter()
        count = None
        if instance.definition.snapshot_due is not None and await self._snapshotter.restore(
            instance, until
        ):
            count = await self._apply_newer(instance, until)
            self._snapshotter.report(instance, fits=count is not None)
        if count is None:
            instance.begin(instance.aggregate())
            count = await self._apply_newer(instance, until)
        if instance.version:
            instance.rehydration_seconds = time.perf_counter() - started
            identity = instance.definition.identity
            self._observer.loaded(identity, count or 0, instance.rehydration_seconds)
            if instance.definition.snapshot_due is not None and until is None:
                self._snapshotter.consider(instance)

    async def refuse_deleted(self, stream: str) -> None:
        """Do nothing for a stream that never existed.

        Raises:
            StreamDeleted: it was deleted.
        """
        try:
            await self._streams.info(stream)
        except StreamNotFound:
            return

    async def _apply_newer(self, instance: LiveAggregate, until: int | None) -> int | None:
        """Apply the events stored after the cached version, and return their number.

        Return `None` if the cache proved stale (stream deleted, truncated further or created
        anew) and was dropped. To detect that, the event at the cached version is read again.
        """
        count = 0
        try:
            while True:
                page = await self._events.read_stream(
                    instance.stream, after=max(instance.version - 1, 0), limit=PAGE, until=until
                )
                new = _after_cached(instance, page)
                if new is None:
                    instance.forget()
                    return None
                if new:
                    self._apply(instance, new)
                    count += len(new)
                if len(page) < PAGE:
                    return count
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
