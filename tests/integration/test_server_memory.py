"""What clients that are not friendly can take of a process's memory: less than a pod has."""

import asyncio
import random
import resource
import socket
from pathlib import Path

from chekov.store.port import NewEvent
from chekov.store.postgres import PostgresStore
from chekov.uuid7 import uuid7
from tests.integration.server_process import Server, bank, chekov_for

POD = 512 * 1024
"""KiB that a pod may take."""

CONNECTIONS = 4096
"""That a process accepts with so much memory."""

CLIENTS = 2000
ENOUGH = 5000
PIPELINED = 400
REQUESTS = b"GET /events?limit=1000 HTTP/1.1\r\nHost: bank\r\n\r\n" * PIPELINED


def most_memory(server: Server) -> int:
    """The most that the process has ever held, in KiB."""
    lines = Path(f"/proc/{server.child.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


class Crowd:
    """Clients that ask for many pages at once, read none, leave and come back.

    Attributes:
        connected: how often they did.
    """

    def __init__(self, port: int) -> None:
        self._address = "127.0.0.1", port
        self.connected = 0

    async def client(self) -> None:
        loop = asyncio.get_running_loop()
        while self.connected < ENOUGH:
            with socket.socket() as connection:
                connection.setblocking(False)  # noqa: FBT003 it has no keyword
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                try:
                    async with asyncio.timeout(10):
                        await loop.sock_connect(connection, self._address)
                        await loop.sock_sendall(connection, REQUESTS)
                except (OSError, TimeoutError):
                    pass  # it is refused, or nobody takes the rest
                self.connected += 1
                await asyncio.sleep(random.uniform(0, 3))


async def test_clients_that_read_no_page_and_come_back_fit_into_a_pod(
    dsn: str, postgres_store: PostgresStore
) -> None:
    """Without its care for what they leave behind, they take it more than that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    data = b'{"text":"%b"}' % (b"x" * 30_000)
    for number in range(20):
        events = [NewEvent(uuid7(), "Junk", data) for _ in range(100)]
        await postgres_store.append(f"junk-{number}", events)
    environment = bank(dsn, CHEKOV_MAX_CONNECTIONS=str(CONNECTIONS))
    async with chekov_for(300, "serve", **environment) as server:
        await server.serving()
        crowd = Crowd(server.ports["http"])
        await asyncio.gather(*(crowd.client() for _ in range(CLIENTS)))
        assert crowd.connected >= ENOUGH
        assert most_memory(server) < POD
