"""A server that goes silent at each step of connecting: opening a store ends in time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import pytest

from chekov.errors import StoreUnavailable
from chekov.store.postgres import PostgresStore

BOUND: Final = 30
"""Seconds that nothing may take: far more than it needs, far less than for ever."""
_TLS_REQUEST: Final = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_NO_TLS: Final = b"N"
_ASK_PASSWORD: Final = b"R\x00\x00\x00\x08\x00\x00\x00\x03"


class Phases:
    """Answers a client up to a phase, and then nothing.

    Attributes:
        heard: how often a client has reached the phase.
    """

    def __init__(self, dsn: str, phase: str) -> None:
        self._parts = urlsplit(dsn)
        self._phase = phase
        self._open: set[asyncio.StreamWriter] = set()
        self.heard = 0

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[str]:
        """Where to connect."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        user = self._parts.netloc.rpartition("@")[0]
        port = server.sockets[0].getsockname()[1]
        try:
            yield self._parts._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
        finally:
            server.close()
            for writer in self._open:
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        if self._phase != "accepted":
            asked = await reader.readexactly(len(_TLS_REQUEST))
            if asked == _TLS_REQUEST and self._phase != "tls":
                writer.write(_NO_TLS)
                asked = await reader.read(65536)
            if self._phase == "password":
                writer.write(_ASK_PASSWORD)
                asked = await reader.read(65536)
            assert asked
        self.heard += 1
        while await reader.read(65536):
            pass
        self._open.discard(writer)
        writer.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("phase", ["accepted", "tls", "startup", "password"])
async def test_a_server_that_goes_silent_while_a_client_connects(dsn: str, phase: str) -> None:
    phases = Phases(dsn, phase)
    async with phases.running() as silent:
        with pytest.raises(StoreUnavailable):
            async with (
                asyncio.timeout(BOUND),
                PostgresStore(silent, migrate=False, patience=0.5, statement_timeout=0.5),
            ):
                pass
    assert phases.heard
