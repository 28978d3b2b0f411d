"""Reading pages of many streams: those that are asked for at the same time share a statement.

A process that starts with work to do has to read the state of every aggregate first. A statement
for each stream costs this process and Postgres ten times as much as a row of a shared one.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from chekov.errors import StoreClosed
from chekov.store.port import RecordedEvent

UNDER_WAY: Final = 2
"""Statements at a time, beyond which who asks waits for the next shared one."""

MOST_STREAMS: Final = 200
MOST_EVENTS: Final = 10
"""Of one stream in a shared statement; a stream that has more is read by itself."""

ReadOne: TypeAlias = Callable[[str, int, int], Coroutine[Any, Any, Sequence[RecordedEvent]]]
"""Reads a page of a stream: its name, the version before, the limit."""

ReadMany: TypeAlias = Callable[
    [Sequence[str], Sequence[int], int],
    Coroutine[Any, Any, Sequence[Sequence[RecordedEvent]]],
]
"""Reads the first events of several streams: names, versions before, and the limit of each."""

StartTask: TypeAlias = Callable[[Coroutine[Any, Any, None]], object]
"""Runs something while the store is open.

Raises:
    StoreClosed: it is not.
"""


class _Asked(NamedTuple):
    stream: str
    after: int
    future: "asyncio.Future[Sequence[RecordedEvent]]"

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class StreamPages:
    """Reads a page at once while few are being read, and else together with others.

    Args:
        read_one: reads a page of one stream.
        read_many: reads the first events of several streams.
        start: runs a shared read.
    """

    def __init__(self, read_one: ReadOne, read_many: ReadMany, start: StartTask) -> None:
        self._read_one = read_one
        self._read_many = read_many
        self._start = start
        self._under_way = 0
        self._waiting: deque[_Asked] = deque()

    async def read(self, stream: str, after: int, limit: int) -> Sequence[RecordedEvent]:
        """The events of a stream with versions above `after`, at most `limit`.

        Raises:
            StoreError: the database is away, or refuses.
        """
        if self._under_way < UNDER_WAY:
            self._under_way += 1
            try:
                return await self._read_one(stream, after, limit)
            finally:
                self._end_one()
        asked = _Asked(stream, after, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        page = await asked.future
        if len(page) == MOST_EVENTS:
            return await self._read_one(stream, after, limit)
        return page[:limit]

    def _end_one(self) -> None:
        """Note that a statement ended, and send the next for those that wait."""
        self._under_way -= 1
        together = self._next()
        if not together:
            return
        try:
            self._start(self._read_together(together))
            self._under_way += 1
        except StoreClosed as error:
            for asked in (*together, *self._waiting):
                asked.fail(error)
            self._waiting.clear()

    def _next(self) -> Sequence[_Asked]:
        together: list[_Asked] = []
        while self._waiting and len(together) < MOST_STREAMS:
            asked = self._waiting.popleft()
            if not asked.future.done():
                together.append(asked)
        return together

    async def _read_together(self, asked: Sequence[_Asked]) -> None:
        failed: Exception = StoreClosed("the store was closed")
        try:
            names, versions = [item.stream for item in asked], [item.after for item in asked]
            pages = await self._read_many(names, versions, MOST_EVENTS)
            for item, page in zip(asked, pages, strict=True):
                if not item.future.done():
                    item.future.set_result(page)
        except Exception as error:  # noqa: BLE001 it is raised where the page was asked for
            failed = error
        finally:
            for item in asked:
                item.fail(failed)
            self._end_one()
