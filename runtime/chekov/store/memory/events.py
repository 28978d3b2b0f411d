"""The events of the store in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from uuid import UUID

from chekov.errors import (
    DuplicateEvent,
    InvalidAppend,
    StoreClosed,
    StreamNotFound,
    WrongExpectedVersion,
)
from chekov.store.checks import check_append
from chekov.store.codec import is_json
from chekov.store.port import (
    Appended,
    Direction,
    Expected,
    ExpectedVersion,
    NewEvent,
    RecordedEvent,
    StreamInfo,
)

_AT_HAND = 1000


class MemoryEvents:
    """One list of all events, and one of each stream."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._entered = 0
        self._all: list[RecordedEvent] = []
        self._streams: dict[str, list[RecordedEvent]] = {}
        self._ids: set[UUID] = set()
        self._waiters: set[asyncio.Future[None]] = set()

    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion = Expected.ANY
    ) -> Appended:
        """Store all of `events` at the end of `stream`, or none."""
        self._check_open()
        check_append(stream, events, expected)
        self._check_content(events)
        kept = self._streams.get(stream, [])
        self._check_version(stream, expected, len(kept))
        self._check_ids(events)
        recorded = self._record(stream, len(kept), events)
        self._streams.setdefault(stream, []).extend(recorded)
        self._all.extend(recorded)
        self._ids.update(event.id for event in events)
        self._wake()
        return Appended(stream, recorded[-1].version, recorded[-1].position, recorded)

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
    ) -> Sequence[RecordedEvent]:
        """One page of a stream."""
        self._check_open()
        return _page(self._streams.get(stream, []), after, limit, direction)

    async def read_page(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        types: Collection[str] | None = None,
        category: str | None = None,
    ) -> Sequence[RecordedEvent]:
        """One page of everything, by position."""
        self._check_open()
        if types is None and category is None:
            return _page(self._all, after, limit, direction)
        found = _page(self._all, after, len(self._all), direction)
        wanted = None if types is None else frozenset(types)
        prefix = "" if category is None else f"{category}-"
        return [
            event
            for event in found
            if (wanted is None or event.type in wanted) and event.stream.startswith(prefix)
        ][: max(limit, 0)]

    async def read_all(self, *, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """Everything above a position, up to the end."""
        position = after
        while page := await self.read_page(after=position):
            for event in page:
                yield event
            position = page[-1].position

    async def head(self) -> int:
        """The position of the last event."""
        self._check_open()
        return len(self._all)

    async def stream_info(self, stream: str) -> StreamInfo:
        """A stream's version and age."""
        self._check_open()
        events = self._streams.get(stream)
        if not events:
            raise StreamNotFound(stream)
        return StreamInfo(stream, len(events), events[0].time)

    async def changed(self, position: int, wait_for: float) -> Sequence[RecordedEvent]:
        """Wait until there is something above `position`."""
        self._check_open()
        if len(self._all) <= position:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                async with asyncio.timeout(wait_for):
                    await waiter
            except TimeoutError:
                return ()
            finally:
                self._waiters.discard(waiter)
            self._check_open()
        return self._all[position : position + _AT_HAND]

    async def ping(self) -> None:
        """Prove that the store answers."""
        self._check_open()

    def _check_open(self) -> None:
        if not self._entered:
            raise StoreClosed("the store is not open: use it inside `async with store:`")

    def _check_content(self, events: Sequence[NewEvent]) -> None:
        for event in events:
            if not is_json(event.data):
                raise InvalidAppend(f"the data of event {event.id} is not a JSON document")
            if event.metadata is not None and not is_json(event.metadata):
                raise InvalidAppend(f"the metadata of event {event.id} is not a JSON document")

    def _check_version(self, stream: str, expected: ExpectedVersion, actual: int) -> None:
        if expected == Expected.STREAM_EXISTS and not actual:
            raise StreamNotFound(stream)
        if expected >= 0 and expected != actual:
            raise WrongExpectedVersion(stream, expected or "no stream", actual)

    def _check_ids(self, events: Sequence[NewEvent]) -> None:
        ids: set[UUID] = set()
        for event in events:
            if event.id in self._ids or event.id in ids:
                raise DuplicateEvent(str(event.id))
            ids.add(event.id)

    def _record(
        self, stream: str, version: int, events: Sequence[NewEvent]
    ) -> Sequence[RecordedEvent]:
        now = self._clock()
        position = len(self._all)
        return [
            RecordedEvent(
                position + number,
                stream,
                version + number,
                event.id,
                event.type,
                event.data,
                event.metadata,
                event.correlation_id,
                event.causation_id,
                event.time or now,
            )
            for number, event in enumerate(events, 1)
        ]

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


def _page(
    events: Sequence[RecordedEvent], after: int, limit: int, direction: Direction
) -> Sequence[RecordedEvent]:
    """Numbers are contiguous from 1, so the event of number n lies at n - 1."""
    if limit <= 0:
        return ()
    if direction == "forward":
        start = max(after, 0)
        return events[start : start + limit]
    end = min(after - 1, len(events)) if after > 0 else len(events)
    return events[max(end - limit, 0) : end][::-1]
