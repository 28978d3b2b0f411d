"""A port has so many connections at a time, and closes those that say nothing."""

import asyncio
import resource
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web

from chekov.server import http_listener
from chekov.server.http_listener import HttpListener, listening
from tests.waiting import until


@asynccontextmanager
async def port(most: int = 1000) -> AsyncGenerator[HttpListener]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    async with listening(app, "127.0.0.1", 0, most=most) as listener:
        yield listener


async def test_one_connection_too_many_is_told_to_come_back() -> None:
    async with port(most=2) as listener:
        held = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(2)]
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        async with asyncio.timeout(240):
            answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1" in head
        assert b"Content-Length: %d\r\n" % len(body) in head
        assert b"urn:chekov:problem:too-many-connections" in body
        held[0][1].close()

        async def answered() -> bool:
            async with ClientSession() as session:
                try:
                    async with session.get(f"http://127.0.0.1:{listener.port}/") as response:
                        return response.status == 200
                except OSError:
                    return False

        await until(answered)
        held[1][1].close()


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHo", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /"], ids=str
)
async def test_a_connection_without_a_whole_request_is_closed(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_listener, "_IDLE_SECONDS", 0.2)
    async with port() as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(sent)
        async with asyncio.timeout(240):
            answer = await reader.read()
        assert answer.count(b"hello") == sent.count(b"\r\n\r\n")
        writer.close()


async def test_a_port_lets_the_process_have_as_many_connections_as_the_system_permits() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 1024), before[1]))
    try:
        async with port():
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            assert soft == min(hard, 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_port_has_no_more_connections_than_the_memory_permits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_listener, "memory_limit", lambda: 1024)
    monkeypatch.setattr(http_listener, "_FEWEST_CONNECTIONS", 1)
    async with port() as listener, asyncio.timeout(240):
        _, held = await asyncio.open_connection("127.0.0.1", listener.port)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        assert b"too-many-connections" in await reader.read()
        writer.close()
        held.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100 + b"\r\n",
        b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=["nonsense", "headers", "line"],
)
async def test_what_is_malformed_is_answered_and_no_error_of_the_process(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "chekov.server.http_listener")
    async with port() as listener, asyncio.timeout(240):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(sent)
        assert (await reader.readline()).startswith(b"HTTP/1.0 400 ")
        writer.close()
    [record] = [each for each in caplog.records if each.name.startswith(("chekov", "aiohttp"))]
    assert (record.levelname, record.message) == ("DEBUG", "a request is malformed")
    assert record.exc_info is None
