"""Fixed pages of the log, read once for all subscriptions of a process that catch up together."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from chekov.store.page_size import PageSize, size_of
from chekov.store.port import EventStore, RecordedEvent
from chekov.watermark import Watermark

_SIZES: Final = (1000, 500, 250, 125, 25, 5, 1)
"""Each divides the one before: a page of one size lies within one of each larger size."""

_KEEP_BYTES: Final = 32 * 1024 * 1024
_EVENT_BYTES: Final = 700
"""What an event takes in memory besides its payload, roughly."""

Start: TypeAlias = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Starts a task, as the `create_task` of a task group does."""


@dataclass(eq=False, slots=True)
class Page:
    """The events above the position `start`, `size` of them, which are read or being read."""

    start: int
    size: int
    drops: int
    """How many drops there had been when reading began."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    events: Sequence[RecordedEvent] = ()
    error: Exception | None = None
    bytes: int = 0

    @property
    def end(self) -> int:
        """Position of its last event."""
        return self.start + self.size

    @property
    def whole(self) -> bool:
        """Whether it was read, and no position in it is missing."""
        return len(self.events) == self.size and self.events[-1].position == self.end


class PageCache:
    """Reads aligned pages, each once while it is cached, whoever asks for it.

    Positions are contiguous, so a page is what lies between two fixed positions. Only pages below
    the head of the log may be asked for: what they hold changes only by an erasure, which raises
    `drops`.

    Args:
        store: what to read.
        drops: rises when cached events may no longer be shown.
        start: starts the tasks that read.
    """

    def __init__(self, store: EventStore, drops: Watermark, start: Start) -> None:
        self._store = store
        self._drops = drops
        self._start = start
        self._size = PageSize()
        self._pages: OrderedDict[tuple[int, int], Page] = OrderedDict()
        self._reading: set[asyncio.Task[None]] = set()
        self._readers: dict[object, int] = {}

    def page(self, position: int) -> Page:
        """Return the page with the event right above `position`; if need be, start to read it."""
        page = self._cached(position)
        if page is None:
            page = self._new(position)
        self._pages[page.start, page.size] = page
        self._pages.move_to_end((page.start, page.size))
        return page

    def is_current(self, page: Page) -> bool:
        """Whether nothing was dropped since the page was read."""
        return page.drops == self._drops.value

    def discard(self, page: Page) -> None:
        """Remove a page that is not as it should be."""
        if self._pages.get((page.start, page.size)) is page:
            del self._pages[page.start, page.size]

    def clear(self) -> None:
        """Discard every page."""
        self._pages.clear()

    def enter(self, reader: object, position: int) -> None:
        """Note that somebody goes on reading after a position; drop what everybody has read.

        For one subscription that catches up alone, to keep 32 MiB of pages cost 11 % more time,
        most of it in the garbage collector.
        """
        self._readers[reader] = position
        lowest = min(self._readers.values())
        for key in [key for key, page in self._pages.items() if page.end <= lowest]:
            del self._pages[key]

    def leave(self, reader: object) -> None:
        """Note that somebody reads no longer; when the last one leaves, nothing stays cached."""
        self._readers.pop(reader, None)
        if not self._readers:
            self._pages.clear()
            for task in self._reading:
                task.cancel()

    def _cached(self, position: int) -> Page | None:
        for size in _SIZES:
            page = self._pages.get((position // size * size, size))
            if page is not None and self.is_current(page):
                return page
        return None

    def _new(self, position: int) -> Page:
        limit = self._size.limit
        sizes = [size for size in _SIZES if size <= limit]
        # A page that begins right here, unless it is a small part of what may be read at once.
        fitting = (size for size in sizes if position % size == 0 and size * 8 >= limit)
        size = next(fitting, sizes[0])
        page = Page(position // size * size, size, self._drops.value)
        task = self._start(self._read(page))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        return page

    async def _read(self, page: Page) -> None:
        try:
            page.events = await self._store.read_page(after=page.start, limit=page.size)
        except Exception as error:  # noqa: BLE001 for those that want the page; others go on
            page.error = error
        else:
            page.bytes = size_of(page.events) + _EVENT_BYTES * len(page.events)
            self._size.learn(page.events, page.size)
            self._trim()
        finally:
            page.done.set()

    def _trim(self) -> None:
        """Make room: the pages that were not asked for longest go first."""
        total = sum(page.bytes for page in self._pages.values())
        while total > _KEEP_BYTES and len(self._pages) > 1:
            total -= self._pages.popitem(last=False)[1].bytes
