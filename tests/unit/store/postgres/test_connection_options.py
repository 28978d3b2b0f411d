import asyncio
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from chekov.store.postgres.connection_options import dial
from chekov.store.postgres.errors import Fault, fault_of

_FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0"
DYING = b"NE" + struct.pack("!i", len(_FIELDS) + 4) + _FIELDS
"""What a backend of a killed server answers to the request for TLS, in one packet."""


@asynccontextmanager
async def server(answer: bytes) -> AsyncGenerator[str]:
    """A server that answers so to whatever it is sent first, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(answer)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"postgresql://user:password@127.0.0.1:{port}/database"


async def test_a_dying_server_is_away_and_not_without_tls() -> None:
    async with server(DYING) as dsn:
        with pytest.raises(ConnectionResetError, match="stopping") as raised:
            await dial(dsn, timeout=5)
    assert fault_of(raised.value) is Fault.LOST


async def test_a_server_that_refuses_the_tls_that_the_dsn_insists_on() -> None:
    async with server(b"N") as dsn:
        with pytest.raises(ConnectionError, match="rejected SSL upgrade") as raised:
            await dial(f"{dsn}?sslmode=require", timeout=5)
    assert fault_of(raised.value) is Fault.REFUSED
