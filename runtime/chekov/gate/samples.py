"""Samples of what a store holds: the oldest and the newest of each kind, found by an index."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Final, Protocol

from chekov.domain.event_filter import EVERYTHING, EventFilter
from chekov.engine.commands.rehydration import StreamReader
from chekov.serialization.contents import AnyContents
from chekov.store.page_size import PageSize
from chekov.store.port import Direction, EventStore, RecordedEvent

_BOTH: Final[tuple[Direction, ...]] = ("backward", "forward")
_EVENTS_OF_STREAM: Final = 10
"""How many events are read for each stream that is wanted."""


class Reads(StreamReader, Protocol):
    """The part of an event store that reads pages."""

    async def read_page(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        filter: EventFilter = EVERYTHING,
    ) -> Sequence[RecordedEvent]: ...


class WithoutPersonalData:
    """Events as if everybody in them had been forgotten: they are read without any key.

    Args:
        events: reads them as they are stored.
        contents: finds what is sealed in them.
    """

    def __init__(self, events: EventStore, contents: AnyContents) -> None:
        self._events = events
        self._contents = contents

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        until: int | datetime | None = None,
    ) -> Sequence[RecordedEvent]:
        """One page of a stream."""
        page = await self._events.read_stream(
            stream, after=after, limit=limit, direction=direction, until=until
        )
        return [self._forgotten(event) for event in page]

    async def read_page(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        filter: EventFilter = EVERYTHING,
    ) -> Sequence[RecordedEvent]:
        """One page of the log."""
        page = await self._events.read_page(
            after=after, limit=limit, direction=direction, filter=filter
        )
        return [self._forgotten(event) for event in page]

    def _forgotten(self, event: RecordedEvent) -> RecordedEvent:
        try:
            return event._replace(data=self._contents.forgotten(event.data))
        except Exception:  # noqa: BLE001 any error of a serializer: decoding reports it
            return event


async def sampled(reads: Reads, filter: EventFilter, count: int) -> AsyncGenerator[RecordedEvent]:
    """The oldest and then the newest events that match, half of `count` each, and none twice.

    No more than a page of them is held.
    """
    half = max(count // 2, 1)
    last = 0
    async for event in _first(reads, filter, "forward", half):
        last = event.position
        yield event
    async for event in _first(reads, filter, "backward", half):
        if event.position <= last:
            return
        yield event


async def sampled_streams(reads: Reads, category: str, count: int) -> Sequence[str]:
    """Streams with the newest and the oldest events of a category, half of `count` each."""
    half = max(count // 2, 1)
    found: dict[str, None] = {}
    filter = EventFilter(category=category)
    for direction in _BOTH:
        own: set[str] = set()
        events = _first(reads, filter, direction, half * _EVENTS_OF_STREAM)
        async for event in events:
            own.add(event.stream)
            found[event.stream] = None
            if len(own) == half:
                await events.aclose()
                break
    return list(found)


async def at_position(reads: Reads, position: int) -> RecordedEvent | None:
    """The event at a position, if there is one."""
    page = await reads.read_page(after=position - 1, limit=1)
    return page[0] if page and page[0].position == position else None


async def _first(
    reads: Reads, filter: EventFilter, direction: Direction, count: int
) -> AsyncGenerator[RecordedEvent]:
    size = PageSize()
    after = 0
    while count:
        asked = min(size.limit, count)
        page = await reads.read_page(after=after, limit=asked, direction=direction, filter=filter)
        for event in page:
            yield event
        if len(page) < asked:
            return
        size.learn(page, asked)
        count -= len(page)
        after = page[-1].position
