"""One stream as a log that grows: read from its pages, then from the log as events are stored."""

from collections.abc import Sequence
from typing import Final

from chekov.domain.event_filter import EventFilter
from chekov.domain.names import OWN
from chekov.errors import StreamDeleted, StreamNotFound
from chekov.store.filtered_log import FilteredLog
from chekov.store.page_size import PageSize
from chekov.store.port import Found, RecordedEvent, Store, StreamInfo
from chekov.store.validation import DELETED

_UNREAD: Final = -1


class StreamLog:
    """The events of one stream by version, with new ones as the log grows.

    New events are read from the database once for all that follow the log, unless they are links.

    Attributes:
        ended: whether the stream was deleted, so that nothing else will be found. Its deletion is
            the last event, unless somebody who follows it had not read all before.
        position: up to it, the log has nothing else of the stream than what was found.
    """

    def __init__(self, store: Store, info: StreamInfo) -> None:
        self.ended = False
        self.position = _UNREAD
        self._store = store
        self._info = info
        self._log = FilteredLog(store, EventFilter(stream=info.stream))
        self._size = PageSize()
        self._drops = store.tail.drops.value

    async def after(self, version: int) -> Found:
        """The next events above a version; `through` is the last one's version.

        Raises:
            StoreUnavailable: the database is away.
        """
        await self._notice_erasure()
        if self.ended:
            return Found((), version)
        if self.position == _UNREAD:
            return await self._page(version)
        found = await self._log.after(self.position)
        events = [event for event in found.events if event.version > version]
        if any(event.type.startswith(OWN) and event.type != DELETED for event in events):
            # Reading the stream shows the events that links lead to.
            self.position = _UNREAD
            return await self._page(version)
        self.position = found.through
        self.ended = bool(events) and events[-1].type == DELETED
        return _found(events, version)

    def rewind(self) -> None:
        """Find again, by its version, what was found last and has not been used."""
        self.position = _UNREAD
        self.ended = False

    async def _page(self, version: int) -> Found:
        head = self._store.tail.head.value
        limit = self._size.limit
        page = await self._store.read_stream(self._info.stream, after=version, limit=limit)
        self._size.learn(page, limit)
        if not page:
            # Nothing is left to read, or the stream was deleted meanwhile.
            await self._check_exists()
        if len(page) < limit:
            self.position = head
        return _found(page, version)

    async def _notice_erasure(self) -> None:
        """Erased events leave their stream without a trace in it."""
        drops = self._store.tail.drops.value
        if drops != self._drops:
            await self._check_exists()
            self._drops = drops
            # Of what was found last, the rest may have been discarded.
            self.position = _UNREAD

    async def _check_exists(self) -> None:
        try:
            info = await self._store.streams.info(self._info.stream)
        except (StreamNotFound, StreamDeleted):
            self.ended = True
        else:
            # The name of an erased stream may belong to another one already.
            self.ended = info.created != self._info.created


def _found(events: Sequence[RecordedEvent], version: int) -> Found:
    return Found(events, events[-1].version if events else version)
