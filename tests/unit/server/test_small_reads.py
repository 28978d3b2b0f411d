"""Connections are read in small parts, and those that wait for their turn hold little."""

import asyncio

from aiohttp import web

from chekov.server.http_listener import listening
from chekov.server.small_reads import READ_BYTES, SmallReads
from tests.waiting import until

SENT = bytes(range(256)) * 4096


class Recorder(asyncio.Protocol):
    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.calls: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("made")

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)

    def eof_received(self) -> bool:
        self.calls.append("eof")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("lost")


async def test_what_is_sent_arrives_in_small_parts() -> None:
    recorder = Recorder()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: SmallReads(recorder), "127.0.0.1", 0) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(SENT)
        writer.write_eof()
        await until(lambda: "lost" in recorder.calls)
        writer.close()
    assert b"".join(recorder.parts) == SENT
    assert max(map(len, recorder.parts)) <= READ_BYTES
    assert recorder.calls == ["made", "eof", "lost"]


async def test_a_request_that_waits_holds_little_of_its_body() -> None:
    waiting: list[web.Request] = []
    turn = asyncio.Event()

    async def wait(request: web.Request) -> web.Response:
        waiting.append(request)
        await turn.wait()
        return web.Response(text=str(len(await request.read())))

    app = web.Application(client_max_size=len(SENT))
    app.router.add_post("/", wait)
    async with listening(app, "127.0.0.1", 0) as listener, asyncio.timeout(240):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        head = f"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(SENT)}\r\n"
        writer.write(head.encode() + b"\r\n" + SENT)
        await until(lambda: waiting and waiting[0].content.total_bytes > READ_BYTES)
        for _ in range(100):  # in which the rest would arrive, if it were read
            _, another = await asyncio.open_connection("127.0.0.1", listener.port)
            another.close()
        assert waiting[0].content.total_bytes <= 4 * READ_BYTES
        turn.set()
        assert str(len(SENT)).encode() in await reader.read()
        writer.close()
