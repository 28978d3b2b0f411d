"""Live aggregates follow the log: what other processes store is applied to the cached states.

So any process may execute any command without reading the stream first, and meets few conflicts.
Nothing depends on it: the version check of an append decides, and a state that was not kept up to
date is noticed by that.

The follower sees every event of the log, in order. Where that cannot be had, because the process
was too far behind or the log was restored, it changes the track: an instance follows again once its
stream was read. An event that lies below the version of a state, and yet was stored later, shows
that the stream was erased and begun anew.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from chekov.backoff import Backoff
from chekov.domain.messages import Event
from chekov.domain.names import OWN
from chekov.engine.commands.aggregates import AggregateCache
from chekov.engine.commands.live_aggregate import Followed
from chekov.engine.commands.rehydration import Rehydrator
from chekov.engine.failures import is_requested
from chekov.errors import StoreError, StoreUnavailable
from chekov.serialization.codec import Codec
from chekov.store.port import RecordedEvent
from chekov.store.tail import Tail

_SLICE: Final = 100
_TURN_SECONDS: Final = 0.02

_log: Final = logging.getLogger(__name__)


class LogFollower:
    """Follows the log for the cached instances of one process.

    What this process stores itself needs nothing but a look whether it is a command's of a cached
    instance; the log is read when others store something.
    """

    def __init__(
        self, tail: Tail, codec: Codec, aggregates: AggregateCache, rehydrator: Rehydrator
    ) -> None:
        self._tail = tail
        self._codec = codec
        self._aggregates = aggregates
        self._rehydrator = rehydrator
        self._position = 0
        self._resets = 0

    def run(self) -> Coroutine[Any, Any, None]:
        """Follow the log from this call on, until cancelled."""
        self._begin()
        return self._follow()

    async def _follow(self) -> None:
        backoff = Backoff()
        with self._tail.followed_by(self):
            # What was pushed since the call was not reported.
            self._tail.others.advance(self._tail.head.value)
            while True:
                await self._tail.others.wait_above(self._position)
                try:
                    await self._advance()
                except StoreError as error:
                    if not isinstance(error, StoreUnavailable):
                        _log.warning("the log cannot be followed", extra={"error": str(error)})
                    await backoff.wait()
                else:
                    backoff.reset()
                    await asyncio.sleep(0)

    def _begin(self) -> None:
        """Follow the log from here on: what is cached may have missed something."""
        self._resets = self._tail.resets.value
        self._position = self._tail.head.value
        self._rehydrator.track += 1

    def _is_same_log(self) -> bool:
        if self._resets == self._tail.resets.value:
            return True
        self._begin()
        return False

    @property
    def position(self) -> int | None:
        """See `Follower`: what it could not read as it is stored, it need not be brought."""
        return self._position if self._tail.is_plain and len(self._aggregates) else None

    def learned(self, recorded: Sequence[RecordedEvent]) -> None:
        """Apply what others stored: it came along with the answer of an append."""
        if not self._is_same_log() or not self._tail.is_plain:
            return
        if recorded[0].position <= self._position + 1:
            self._take(recorded)

    def pushed(self, recorded: Sequence[RecordedEvent]) -> None:
        """Look at what this process stored: mostly, its commands have applied it already."""
        if not self._is_same_log():
            return
        last = recorded[-1].position
        if recorded[0].position == self._position + 1 and self._are_applied(recorded):
            self._position = last
        else:
            self._tail.others.advance(last)

    def _are_applied(self, recorded: Sequence[RecordedEvent]) -> bool:
        """Whether no cached state lacks one, unless its own command is about to apply it."""
        cached, track = self._aggregates.cached, self._rehydrator.track
        # A loop without calls: every event that a command stores comes along here.
        for event in recorded:
            instance = cached(event.stream)
            if instance is None or event.position <= instance.position:
                continue
            if instance.busy:
                instance.stale |= event.version <= instance.version
            elif instance.track == track:
                return False
        return True

    async def _advance(self) -> None:
        if not len(self._aggregates):
            self._position = self._tail.head.value
            return
        events = await self._tail.after(self._position)
        if not self._is_same_log():
            return
        if events is None:
            self._begin()
            return
        began = time.perf_counter()
        for start in range(0, len(events), _SLICE):
            if time.perf_counter() - began > _TURN_SECONDS:
                await asyncio.sleep(0)
                if not self._is_same_log():
                    return
                began = time.perf_counter()
            self._take(events[start : start + _SLICE])

    def _take(self, events: Sequence[RecordedEvent]) -> None:
        cached, track = self._aggregates.cached, self._rehydrator.track
        for event in events:
            if event.position <= self._position:
                continue
            self._position = event.position
            instance = cached(event.stream)
            if instance is None or event.position <= instance.position:
                continue
            if instance.busy or instance.track == track:
                instance.follow(self._followed(event, track))
                if instance.version >= instance.measure_at:
                    self._aggregates.measure(instance)

    def _followed(self, event: RecordedEvent, track: int) -> Followed:
        """The event, decoded; if that fails, the next command meets the error, and raises it."""
        decoded: Sequence[Event] | None = None
        if not event.type.startswith(OWN):
            try:
                decoded = self._codec.decode_all(event)
            except BaseException as error:
                if is_requested(error, asyncio.current_task()):
                    raise
        return Followed(event.version, event.position, track, decoded)
