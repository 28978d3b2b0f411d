"""A page is freed once its client has left, without the help of the garbage collector."""

import gc
import socket
import struct
from collections.abc import Generator

import pytest

from chekov.server.large_response import LargeResponse
from chekov.store.port import NewEvent
from chekov.uuid7 import uuid7
from tests.unit.server.conftest import Serving
from tests.waiting import until


@pytest.fixture
def no_collector() -> Generator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held() -> list[LargeResponse]:
    return [
        each
        for each in gc.get_objects()
        if isinstance(each, LargeResponse) and each.body is not None
    ]


@pytest.mark.usefixtures("no_collector")
async def test_a_page_is_freed_when_its_client_leaves_without_reading_it(serving: Serving) -> None:
    async with serving() as server:
        large = b'{"text":"%b"}' % (b"x" * 1_000_000)
        for number in range(8):
            await server.runtime.store.append(f"junk-{number}", [NewEvent(uuid7(), "Junk", large)])
        clients: list[socket.socket] = []
        for _ in range(4):
            client = socket.create_connection(("127.0.0.1", server.api.port or 0))
            # So that the connection is reset, as where what was sent to it was not read.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(b"GET /events HTTP/1.1\r\nHost: bank\r\n\r\n")
            clients.append(client)
        await until(lambda: len(held()) == 4)
        for client in clients:
            client.close()
        await until(lambda: not held(), 10)
