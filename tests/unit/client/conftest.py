"""A service to be asked, a network that cuts connections, and programs that answer anything."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chekov import Domain
from chekov.client import Client
from tests.unit.server.conftest import Account, Server, running

DOMAIN = Domain("shop", aggregates=[Account])


def url_of(server: Server) -> str:
    return str(server.api.make_url("/"))


@asynccontextmanager
async def asking(
    environment: Mapping[str, str] = MappingProxyType({}),
) -> AsyncGenerator[tuple[Client, Server]]:
    """A service, and a client of it with the domain."""
    async with (
        running(**dict[str, Any](environment)) as server,
        Client(url_of(server), domain=DOMAIN) as client,
    ):
        yield client, server


class CuttingProxy:
    """A network to a server.

    Attributes:
        cuts: of each of the next connections, after how many bytes of its answers it is cut; later
            ones are not. What the client sends arrives all the same.
        connections: how many there were.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.cuts: deque[int] = deque()
        self.connections = 0
        self.url = ""
        self._serving: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def close(self) -> None:
        """End what is left of the connections."""
        left = tuple(self._serving)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        left = self.cuts.popleft() if self.cuts else None
        up, out = await asyncio.open_connection("127.0.0.1", self._port)
        sending = asyncio.create_task(_pump(reader, out))
        try:
            while data := await up.read(65536):
                if left is not None:
                    data, left = data[:left], left - len(data)
                writer.write(data)
                await writer.drain()
                if left is not None and left <= 0:
                    break
        except ConnectionError:
            pass
        finally:
            sending.cancel()
            for end in (writer, out):
                end.transport.abort()

    def cut(self, *after: int) -> None:
        """Cut the next connections after so many bytes each."""
        self.cuts.extend(after)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def cutting(
    server: Server, certificate: ssl.SSLContext | None = None
) -> AsyncGenerator[CuttingProxy]:
    """A network between a client and a server, with TLS in front if there is a certificate."""
    port = server.api.port
    assert port is not None
    proxy = CuttingProxy(port)
    listener = await asyncio.start_server(proxy.accept, "127.0.0.1", 0, ssl=certificate)
    scheme = "https" if certificate else "http"
    proxy.url = f"{scheme}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener:
        yield proxy
        await proxy.close()


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets so many seconds go by for the attempts of calls."""
    passed = 0.0

    def let_pass(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + passed)
    monkeypatch.setattr("chekov.client.transport.time", clock)
    return let_pass


Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(answer: Answering) -> AsyncGenerator[str]:
    """The URL of a program that answers every request so."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


def problem(
    slug: str, status: int, *, retry_after: str | None = None, **members: object
) -> web.Response:
    return web.json_response(
        {
            "type": f"urn:chekov:problem:{slug}",
            "title": "A title",
            "status": status,
            "detail": f"detail of {slug}",
            **members,
        },
        status=status,
        content_type="application/problem+json",
        headers={} if retry_after is None else {"Retry-After": retry_after},
    )
