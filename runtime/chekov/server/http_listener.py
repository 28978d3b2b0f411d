"""A listening port that closes without cutting off a request."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from chekov.errors import ChekovError

_BACKLOG: Final = 1024
_QUIET_SECONDS: Final = 0.25
_POLL_SECONDS: Final = 0.02
_SHUTDOWN_SECONDS: Final = 1.0


class CannotListen(ChekovError):
    """An HTTP port cannot be opened: it is taken, or the address is not of this machine."""


class HttpListener:
    """One open port.

    Attributes:
        port: the actual port, which differs from the requested one if that was 0.
    """

    def __init__(self, runner: web.AppRunner, site: web.TCPSite) -> None:
        self._runner = runner
        self._site = site
        self.port = site.port

    async def finish(self, seconds: float, busy: Callable[[], int]) -> None:
        """Accept no further connections, and close the open ones once they are quiet.

        Requests on open connections are answered until nothing is `busy` and none has arrived for
        a moment, so that a request that was on its way when the listener closed is answered.
        """
        await self._site.stop()
        server = self._runner.server
        assert server is not None  # noqa: S101
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
async def listening(app: web.Application, host: str, port: int) -> AsyncGenerator[HttpListener]:
    """Serve an application until the block ends.

    Raises:
        CannotListen: the port is in use, or the address belongs to another machine.
    """
    runner = web.AppRunner(
        app,
        handle_signals=False,
        access_log=None,
        shutdown_timeout=_SHUTDOWN_SECONDS,
        auto_decompress=False,  # see `content`
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            reason = error.strerror or error
            raise CannotListen(f"cannot listen on {host}:{port}: {reason}") from error
        yield HttpListener(runner, site)
    finally:
        await runner.cleanup()
