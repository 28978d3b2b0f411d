"""Reading everything after a position, in pages that fit into memory, one ahead."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from chekov.store.port import EventStore, RecordedEvent

PAGE_EVENTS: Final = 1000
_FIRST_EVENTS: Final = 250
_ENOUGH_BYTES: Final = 4 * 1024 * 1024


_Page: TypeAlias = Sequence[RecordedEvent]

Start: TypeAlias = Callable[
    [Coroutine[Any, Any, _Page | Exception]], asyncio.Task[_Page | Exception]
]
"""Starts a task, as the `create_task` of a task group does."""


class _Ahead(NamedTuple):
    """A page that is being read before anybody asked for it."""

    position: int
    page: "asyncio.Task[_Page | Exception]"


class PageReader:
    """Reads pages for one reader: as many events as a few megabytes hold, by those read last.

    Given a way to start tasks, it has the next page on its way from the database while the reader
    works on a full one.
    """

    def __init__(self, store: EventStore, start: Start | None = None) -> None:
        self._store = store
        self._start = start
        self._limit = _FIRST_EVENTS
        self._ahead: _Ahead | None = None

    async def after(self, position: int) -> Sequence[RecordedEvent]:
        """The events right above `position`; none means that there are no more."""
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead.position != position:
            _drop(ahead)
            page = await self._read(position)
        else:
            # There may be something by now where there was nothing.
            page = _told(await ahead.page) or await self._read(position)
        size = size_of(page)
        full = len(page) == self._limit
        if size > _ENOUGH_BYTES:
            self._limit = max(1, len(page) * _ENOUGH_BYTES // size)
        elif size * 2 < _ENOUGH_BYTES and full:
            self._limit = min(PAGE_EVENTS, self._limit * 2)
        if full and self._start is not None:
            last = page[-1].position
            self._ahead = _Ahead(last, self._start(self._read_ahead(last)))
            # Let it send its statement before the reader keeps the loop busy.
            await asyncio.sleep(0)
        return page

    def read_ahead(self, start: Start) -> None:
        """Read ahead from now on."""
        self._start = start

    def close(self) -> None:
        """Give up what was read ahead."""
        ahead, self._ahead = self._ahead, None
        _drop(ahead)

    async def _read_ahead(self, position: int) -> _Page | Exception:
        """The page, or the error for whoever asks for it; nobody else is hurt by that."""
        try:
            return await self._read(position)
        except Exception as error:  # noqa: BLE001
            return error

    async def _read(self, position: int) -> Sequence[RecordedEvent]:
        return await self._store.read_page(after=position, limit=self._limit)


def size_of(events: Sequence[RecordedEvent]) -> int:
    """Bytes of the payloads."""
    return sum([len(event.data) for event in events])


def _drop(ahead: _Ahead | None) -> None:
    if ahead is not None:
        ahead.page.cancel()


def _told(page: _Page | Exception) -> _Page:
    if isinstance(page, Exception):
        raise page
    return page
