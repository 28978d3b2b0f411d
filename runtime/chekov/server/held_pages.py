"""Pages of events that are held for clients: few are read at a time, and few bytes wait to be sent.

A client that does not read would otherwise hold a page for as long as it likes, and a thousand of
them a thousand pages.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiohttp import web

from chekov.server.gate import Gate
from chekov.server.large_response import LargeResponse

T = TypeVar("T")

LARGE: Final = 16 * 1024
"""Bytes from which a page is counted: smaller ones are bounded by the number of connections."""

_READERS: Final = 4
"""Pages whose size is not known yet."""


class Room:
    """The bytes that something takes of what the process may hold."""

    def __init__(self, gate: Gate, places: int) -> None:
        self._gate = gate
        self._places = places

    def shrink(self, size: int) -> None:
        """Keep what something of a size takes, which was not known before."""
        needed = size if size >= LARGE else 0
        if needed < self._places:
            self._gate.leave(self._places - needed)
            self._places = needed

    def leave(self) -> None:
        """Give all of it back."""
        self._gate.leave(self._places)
        self._places = 0

    def leave_with_request(self) -> None:
        """Give it back when the current request has been answered."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        task.add_done_callback(lambda _: self.leave())


class HeldPages:
    """Reads pages once there is room for them.

    Args:
        most: bytes that are held together.
        patience: seconds that a request waits for its turn.
    """

    def __init__(self, most: int, patience: float) -> None:
        self._readers = Gate(_READERS, patience, "pages")
        self._bytes = Gate(most, patience, "bytes of pages")

    @property
    def is_crowded(self) -> bool:
        """Whether somebody waits for room."""
        return self._bytes.is_crowded

    async def read(
        self, read: Callable[[], Awaitable[T]], size: Callable[[T], int], *, patient: bool = False
    ) -> tuple[T, Room]:
        """Read a page, and the room that it takes until that is given back.

        Args:
            read: reads it.
            size: of the page, in bytes.
            patient: whether to wait however long it takes.

        Raises:
            Overloaded: there was no room in time.
        """
        await self._readers.enter(patient=patient)
        try:
            page = await read()
            return page, await self.room(size(page), patient=patient)
        finally:
            self._readers.leave()

    async def room(self, size: int, *, patient: bool = False) -> Room:
        """Room for so many bytes.

        Raises:
            Overloaded: there was none in time.
        """
        places = await self._bytes.enter(size, patient=patient) if size >= LARGE else 0
        return Room(self._bytes, places)

    async def answer(self, read: Callable[[], Awaitable[bytes]]) -> web.Response:
        """The response with a page as JSON, which is held until it has been sent.

        Raises:
            Overloaded: there was no room in time.
        """
        body, room = await self.read(read, len)
        room.leave_with_request()
        return LargeResponse(body=body, headers={"Content-Type": "application/json"})
