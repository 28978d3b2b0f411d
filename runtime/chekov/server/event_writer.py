"""Writes server-sent events to one client, which is dropped when it does not read them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from aiohttp import web

from chekov.server import rendering
from chekov.store.page_size import size_of
from chekov.store.port import RecordedEvent

PART_BYTES: Final = 64 * 1024
"""What aiohttp and the transport hold without waiting for the client."""

_SLOW_SECONDS: Final = 1.0


class ClientStalled(Exception):
    """The client has not read what was written for too long."""


class EventWriter:
    """The body of an endless response, which is written no faster than the client reads it.

    Attributes:
        is_slow: whether the client took long to read what was written last.

    Args:
        response: it has started.
        transport: of its connection.
        heartbeat: seconds without an event after which a comment is written.
        patience: seconds that the client may take to read a part.
        is_crowded: whether others wait for what the client holds.
        impatience: seconds that it may take then.
    """

    def __init__(
        self,
        response: web.StreamResponse,
        transport: asyncio.WriteTransport,
        *,
        heartbeat: float,
        patience: float,
        is_crowded: Callable[[], bool],
        impatience: float = 5.0,
    ) -> None:
        self._response = response
        self._transport = transport
        self._heartbeat = heartbeat
        self._patience = patience
        self._is_crowded = is_crowded
        self._impatience = impatience
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._written = self._time()
        self.is_slow = False

    @property
    def idle_seconds(self) -> float:
        """Seconds until `keep_alive` is due."""
        return max(0.0, self._written + self._heartbeat - self._time())

    async def begin(self) -> None:
        """Write how soon to come back after the end: after a second.

        Raises:
            ClientStalled: the client does not read.
        """
        await self._write(b"retry: 1000\n\n")

    async def send(
        self, events: Sequence[RecordedEvent], number: Callable[[RecordedEvent], int]
    ) -> None:
        """Write events; `number` says the `id` of each.

        Raises:
            ClientStalled: the client does not read.
        """
        await self._write(b"".join([_event(number(event), event) for event in events]))

    async def keep_alive(self) -> None:
        """Write a comment if nothing was written for a while.

        Raises:
            ClientStalled: the client has not even read what was written before.
        """
        if self.idle_seconds:
            return
        if self._transport.get_write_buffer_size():
            raise ClientStalled
        await self._write(b": still here\n\n")

    def abort(self) -> None:
        """Drop the client, and what it has not read."""
        self._transport.abort()

    async def _write(self, data: bytes) -> None:
        began = self._time()
        try:
            async with asyncio.timeout(self._patience) as patience:
                self._look_later(patience)
                await self._response.write(data)
        except TimeoutError:
            raise ClientStalled from None
        finally:
            self._timer.cancel()
        self._written = self._time()
        self.is_slow = self._written - began > _SLOW_SECONDS

    def _look_later(self, patience: asyncio.Timeout) -> None:
        self._timer = self._loop.call_later(self._impatience, self._look, patience)

    def _look(self, patience: asyncio.Timeout) -> None:
        """End the patience with a slow client once others wait."""
        if not self._is_crowded():
            self._look_later(patience)
        elif not patience.expired():
            patience.reschedule(self._time())


def parts(events: Sequence[RecordedEvent]) -> Iterator[Sequence[RecordedEvent]]:
    """Cut events into parts of 64 KiB, or of one event that is larger."""
    start = size = 0
    for end, event in enumerate(events, 1):
        size += size_of((event,))
        if size >= PART_BYTES:
            yield events[start:end]
            start, size = end, 0
    if start < len(events):
        yield events[start:]


def _event(number: int, recorded: RecordedEvent) -> bytes:
    # In stored JSON, a line end can only be white space between tokens; clients join the lines.
    data = rendering.event(recorded).replace(b"\r", b"").replace(b"\n", b"\ndata: ")
    return b"id: %d\ndata: %b\n\n" % (number, data)
