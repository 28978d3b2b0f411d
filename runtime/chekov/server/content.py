"""The content of requests: decompressed within limits, and cut into lines.

aiohttp would decompress it too, but without limits, also while it discards the content of a request
that is refused already, and without a problem document for what it cannot decompress.
"""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import Final, NamedTuple

from aiohttp import web

from chekov.server.gate import Gate
from chekov.server.held_pages import LARGE, Room
from chekov.server.problems import (
    MALFORMED,
    REQUEST_TIMEOUT,
    TOO_LARGE,
    UNSUPPORTED,
    RequestError,
)


class ContentLimits(NamedTuple):
    """What the content of requests may take.

    Attributes:
        body: bytes of one body.
        gate: counts the bytes of the large bodies in the process.
        seconds: for a whole body, and for the next part of a batch, to arrive.
    """

    body: int
    gate: Gate
    seconds: float


CONTENT_LIMITS: Final = web.AppKey("content_limits", ContentLimits)

MOST_BLANK_LINES: Final = 10_000
"""In succession."""

LARGEST_RATIO: Final = 100
"""Of decompressed to compressed size, above the limit of one body; JSON seldom reaches 20."""

LARGEST_BATCH: Final = 64
"""Decompressed size of a compressed batch, in limits of one body."""

_CHUNK: Final = 64 * 1024
_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW_DEFLATE: Final = -15
_ZLIB_METHOD: Final = 8
"""In the lower four bits of the first byte."""


async def body(request: web.Request) -> bytes:
    """All content of a request, which waits for room if it is large.

    Raises:
        RequestError: it is too large, its encoding cannot be decoded, or it does not arrive.
        Overloaded: there was no room for it in time.
        HTTPRequestEntityTooLarge: it is too large, and not compressed.
    """
    encoding = _encoding(request)
    room = await _find_room(request, encoding)
    if encoding is None and request.content.is_eof():
        return request.content.read_nowait()  # all of it, and 3 µs less than by the request
    try:
        async with asyncio.timeout(request.app[CONTENT_LIMITS].seconds):
            found = await _arrived(request, encoding)
    except TimeoutError:
        raise _late(request) from None
    if room is not None:
        room.shrink(len(found))
    return found


async def _arrived(request: web.Request, encoding: str | None) -> bytes:
    if encoding is None:
        return await request.read()
    limit = request.app[CONTENT_LIMITS].body
    held = bytearray()
    async for chunk in _decompressed(request.content.iter_any(), encoding, limit, limit):
        held += chunk
    return bytes(held)


async def _find_room(request: web.Request, encoding: str | None) -> Room | None:
    """Count a body that is large, or may be, until its request is answered."""
    content, limit = request.content, request.app[CONTENT_LIMITS].body
    if encoding is not None:
        size = limit
    elif content.is_eof():
        size = content.total_bytes
    else:
        size = request.content_length or limit
    if size > limit:
        raise RequestError(TOO_LARGE, f"The limit is {limit} bytes.")
    if size < LARGE:
        return None
    gate = request.app[CONTENT_LIMITS].gate
    room = Room(gate, await gate.enter(size))
    room.leave_with_request()
    return room


def chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The content of a request as it arrives; the event loop goes on between two chunks.

    Raises:
        RequestError: the encoding is not supported. While iterating: the content is not in this
            encoding, or too large when it is decompressed, or its next part does not arrive.
    """
    encoding = _encoding(request)
    content = _arriving(request)
    if encoding is None:
        return _yielding(content)
    limit = request.app[CONTENT_LIMITS].body
    return _decompressed(content, encoding, limit, LARGEST_BATCH * limit)


async def lines(
    chunks: AsyncIterable[bytes], limit: int, growing: "GrowingLine | None" = None
) -> AsyncGenerator[bytes | None]:
    """The lines of a stream without blank ones; `None` in place of each one above `limit`.

    Args:
        chunks: of the stream.
        limit: bytes of a line.
        growing: holds room for a large line of which only a part has arrived.

    Raises:
        RequestError: too many blank lines follow each other, or a large one does not arrive.
    """
    buffer = _LineBuffer(limit)
    try:
        async for line in _cut(chunks, buffer, growing):
            yield line
    finally:
        buffer.end()  # an exception that ended the stream may keep it for long


async def _cut(
    chunks: AsyncIterable[bytes], buffer: "_LineBuffer", growing: "GrowingLine | None"
) -> AsyncIterator[bytes | None]:
    blank = 0
    async for chunk in chunks:
        for line in buffer.feed(chunk):
            if line is None or line.strip():
                blank = 0
                yield line
            else:
                blank += 1
                if blank > MOST_BLANK_LINES:
                    raise RequestError(
                        MALFORMED, f"More than {MOST_BLANK_LINES:,} blank lines follow each other."
                    )
        if growing is not None:
            await growing.grown(buffer.held)
    last = buffer.end()
    if last is None or last.strip():
        yield last


class GrowingLine:
    """Holds room for a large line from before it is complete, and not for longer than a body.

    Otherwise each connection could hold a line that it never completes, which nothing would count.
    """

    def __init__(self, limits: ContentLimits, most: int) -> None:
        self._limits = limits
        self._most = most
        self._room: Room | None = None
        self._until = 0.0

    async def grown(self, size: int) -> None:
        """Once a line is large, take room for all that it may become.

        Raises:
            RequestError: it has been growing for too long.
        """
        loop = asyncio.get_running_loop()
        if size < LARGE:
            self.leave()
        elif self._room is None:
            gate = self._limits.gate
            self._room = Room(gate, await gate.enter(self._most, patient=True))
            self._until = loop.time() + self._limits.seconds
        elif loop.time() > self._until:
            seconds = self._limits.seconds
            raise RequestError(
                REQUEST_TIMEOUT, f"A line of the batch did not arrive within {seconds:g} s."
            )

    async def completed(self, size: int) -> Room:
        """The room of a line that is complete; the next one has its own."""
        room, self._room = self._room, None
        if room is None:
            gate = self._limits.gate
            return Room(gate, await gate.enter(size, patient=True) if size >= LARGE else 0)
        room.shrink(size)
        return room

    def leave(self) -> None:
        """Give up the room of a line that is not completed."""
        room, self._room = self._room, None
        if room is not None:
            room.leave()


class _LineBuffer:
    """Cuts chunks into lines, with `None` in place of each one above `limit`.

    An incomplete line grows in place: copied for each byte that arrives, a line of 1 MB cost 0.4 ms
    a byte instead of 0.05 ms.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()
        self._too_long = False

    @property
    def held(self) -> int:
        """Bytes of the line that is not complete."""
        return len(self._held)

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """Return the lines that this chunk completes."""
        *whole, rest = chunk.split(b"\n")
        found: list[bytes | None] = [line if len(line) <= self._limit else None for line in whole]
        if whole:
            self._hold(whole[0])
            found[0] = self.end()
        self._hold(rest)
        return found

    def end(self) -> bytes | None:
        """Return what is held as a line."""
        line = None if self._too_long else bytes(self._held)
        self._held.clear()
        self._too_long = False
        return line

    def _hold(self, part: bytes) -> None:
        if self._too_long:
            return
        self._held += part
        if len(self._held) > self._limit:
            self._held.clear()
            self._too_long = True


def _encoding(request: web.Request) -> str | None:
    if "Content-Encoding" not in request.headers:
        return None
    encoding = ", ".join(request.headers.getall("Content-Encoding")).strip().lower()
    if encoding in {"", "identity"}:
        return None
    if encoding not in _WINDOW_BITS:
        raise RequestError(
            UNSUPPORTED,
            f"Content-Encoding is {encoding[:100]!r}, expected gzip, deflate, or none",
            headers={"Accept-Encoding": "gzip, deflate"},
        )
    return encoding


async def _arriving(request: web.Request) -> AsyncIterator[bytes]:
    content, seconds = request.content, request.app[CONTENT_LIMITS].seconds
    while not content.at_eof():
        try:
            async with asyncio.timeout(seconds):
                chunk = await content.readany()
        except TimeoutError:
            raise _late(request) from None
        if chunk:
            yield chunk


def _late(request: web.Request) -> RequestError:
    return RequestError(
        REQUEST_TIMEOUT,
        f"The request's content did not arrive within {request.app[CONTENT_LIMITS].seconds:g} s.",
    )


async def _yielding(content: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for chunk in content:
        yield chunk
        # Reading does not wait while data is at hand.
        await asyncio.sleep(0)


async def _decompressed(
    content: AsyncIterable[bytes], encoding: str, body_limit: int, limit: int
) -> AsyncIterator[bytes]:
    taken = made = 0
    decompressor = None
    async for compressed in content:
        taken += len(compressed)
        rest, full = compressed, False
        while rest or full:
            if decompressor is None or decompressor.eof:
                decompressor = zlib.decompressobj(_window_bits(encoding, rest))
            try:
                chunk = decompressor.decompress(rest, _CHUNK)
            except zlib.error as error:
                raise RequestError(MALFORMED, f"The content is not valid {encoding}.") from error
            rest = decompressor.unconsumed_tail or decompressor.unused_data
            full = len(chunk) == _CHUNK and not decompressor.eof  # there may be more
            made += len(chunk)
            if made > limit:
                raise RequestError(TOO_LARGE, f"The limit is {limit} bytes when decompressed.")
            if made > body_limit and made > taken * LARGEST_RATIO:
                raise RequestError(
                    TOO_LARGE,
                    f"The content is compressed to less than 1/{LARGEST_RATIO} of its size.",
                )
            yield chunk
            await asyncio.sleep(0)
    if decompressor is not None and not decompressor.eof:
        raise RequestError(MALFORMED, "The request's content ended early.")


def _window_bits(encoding: str, start: bytes) -> int:
    # Some clients send deflate without the header that its standard demands.
    if encoding == "deflate" and start[0] & 0xF != _ZLIB_METHOD:
        return _RAW_DEFLATE
    return _WINDOW_BITS[encoding]
