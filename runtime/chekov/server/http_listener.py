"""A listening port that closes without cutting off a request."""

import asyncio
import logging
import resource
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from chekov.errors import ChekovError
from chekov.server.memory_limit import memory_limit
from chekov.server.problems import CONTENT_TYPE, TOO_MANY_CONNECTIONS, Problem
from chekov.server.small_reads import READ_BYTES, SmallReads
from chekov.server.tls_acceptor import TlsAcceptor, listening_sockets

_BACKLOG: Final = 1024
_QUIET_SECONDS: Final = 0.25
_POLL_SECONDS: Final = 0.02
_SHUTDOWN_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 75.0
"""Without a whole request; longer than most proxies keep connections, so that they close first."""

_MOST_HEADERS: Final = 64
"""Of one request; each may have 8 KiB, so that few connections could fill the memory with more."""

_MOST_DESCRIPTORS: Final = 65_536
_OTHER_DESCRIPTORS: Final = 128
"""For the database, files, and the other port."""

_MEMORY_OF_EACH: Final = 128 * 1024
"""Of the limit of memory: a connection that waits holds 40 to 60 KiB, an idle one 4, and half of
the memory is for everything else."""
_FEWEST_CONNECTIONS: Final = 100

_log: Final = logging.getLogger(__name__)

_PROBLEM: Final = Problem(TOO_MANY_CONNECTIONS, "Come back later.").document()
_TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: %b\r\nContent-Length: %d\r\n"
    b"Retry-After: 1\r\nConnection: close\r\n\r\n%b"
) % (CONTENT_TYPE.encode(), len(_PROBLEM), _PROBLEM)


class CannotListen(ChekovError):
    """An HTTP port cannot be opened: it is taken, or the address is not of this machine."""


class HttpListener:
    """One open port.

    Attributes:
        port: the actual port, which differs from the requested one if that was 0.
    """

    def __init__(self, server: web.Server, accepting: asyncio.Server | TlsAcceptor) -> None:
        self._server = server
        self._accepting = accepting
        self.port: int = accepting.sockets[0].getsockname()[1]

    async def finish(self, seconds: float, busy: Callable[[], int]) -> None:
        """Accept no further connections, and close the open ones once they are quiet.

        Requests on open connections are answered until nothing is `busy` and none has arrived for
        a moment, so that a request that was on its way when the listener closed is answered.
        """
        self._accepting.close()
        server = self._server
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        quiet_since, seen = loop.time(), server.requests_count
        while server.connections and loop.time() < deadline:
            if busy() or server.requests_count != seen:
                quiet_since, seen = loop.time(), server.requests_count
            elif loop.time() - quiet_since > _QUIET_SECONDS:
                break
            await asyncio.sleep(_POLL_SECONDS)
        server.pre_shutdown()
        await server.shutdown(_SHUTDOWN_SECONDS)


@asynccontextmanager
async def listening(
    app: web.Application,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    *,
    most: int = _MOST_DESCRIPTORS,
) -> AsyncGenerator[HttpListener]:
    """Serve an application until the block ends; with a context for TLS, by that only.

    At most so many connections are open at a time, and no more than the limits of open files and of
    memory permit; further ones are answered 503 and closed, by TLS without an answer.

    Raises:
        CannotListen: the port is in use, or the address belongs to another machine.
    """
    most = min(most, _descriptors() - _OTHER_DESCRIPTORS)
    if (limit := memory_limit()) is not None:
        most = min(most, max(_FEWEST_CONNECTIONS, limit // _MEMORY_OF_EACH))
    runner = web.AppRunner(
        app,
        handle_signals=False,
        access_log=None,
        logger=_HttpLog(_log),
        shutdown_timeout=_SHUTDOWN_SECONDS,
        auto_decompress=False,  # see `content`
        keepalive_timeout=_IDLE_SECONDS,
        read_bufsize=READ_BYTES,
        max_headers=_MOST_HEADERS,
    )
    await runner.setup()
    server = runner.server
    assert server is not None  # noqa: S101

    def speaking() -> asyncio.BaseProtocol:
        return SmallReads(server())

    def protocol() -> asyncio.BaseProtocol:
        return speaking() if len(server.connections) < most else _Refusal()

    async with AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        try:
            if tls is None:
                accepting = await asyncio.get_running_loop().create_server(
                    protocol, host, port, backlog=_BACKLOG
                )
            else:
                sockets = await listening_sockets(host, port)
                accepting = TlsAcceptor(
                    await stack.enter_async_context(asyncio.TaskGroup()),
                    sockets,
                    speaking,
                    tls,
                    lambda handshakes: len(server.connections) + handshakes < most,
                )
        except OSError as error:
            reason = error.strerror or error
            raise CannotListen(f"cannot listen on {host}:{port}: {reason}") from error
        stack.callback(accepting.close)
        yield HttpListener(server, accepting)


class _HttpLog(logging.LoggerAdapter[logging.Logger]):
    """Where aiohttp reports: what is malformed is the fault of who sent it, and has its answer."""

    def log(self, level: int, msg: object, *args: object, **options: Any) -> None:
        error = options.get("exc_info")
        if isinstance(error, HttpProcessingError):
            reason = " ".join(error.message.split())
            self.logger.debug("a request is malformed", extra={"error": reason})
        else:
            super().log(level, msg, *args, **options)


class _Refusal(asyncio.Protocol):
    """Answers a connection that is one too many, without reading from it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101
        transport.write(_TOO_MANY)
        transport.close()


def _descriptors() -> int:
    """How many files and connections may be open, after that limit is raised as far as it goes.

    Container runtimes leave it at 1,024, which a thousand idle connections would use up.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft
