"""A cheap load generator: prepared requests over keep-alive connections."""

import asyncio
from typing import Self, cast


class BadAnswer(Exception):
    """The server answered something other than 200, or closed the connection."""


class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._buffer = b""
        self._need = -1

    @classmethod
    async def connect(cls, port: int) -> Self:
        _, client = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(BadAnswer(f"the connection was lost: {exc}"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._whole() and self._answer:
            answer, self._buffer, self._need = self._buffer, b"", -1
            if answer.startswith(b"HTTP/1.1 200"):
                self._answer.set_result(answer)
            else:
                self._answer.set_exception(BadAnswer(answer.decode(errors="replace")))

    def _whole(self) -> bool:
        if self._need < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return False
            head = self._buffer[:end].lower()
            start = head.find(b"content-length: ")
            if start < 0:  # chunked: the last chunk is empty
                return self._buffer.endswith(b"\r\n0\r\n\r\n")
            stop = head.find(b"\r\n", start)
            self._need = end + 4 + int(head[start + 16 : stop if stop > 0 else None])
        return len(self._buffer) >= self._need

    def send(self, request: bytes) -> asyncio.Future[bytes]:
        """Send one prepared request; the future resolves to the whole answer."""
        assert self._transport
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        if self._transport:
            self._transport.close()


def post(path: str, body: bytes, content_type: str = "application/json") -> bytes:
    """The bytes of a POST request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
