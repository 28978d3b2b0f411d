"""Accepts connections for TLS, of which few may be in their handshake at a time.

A server of asyncio begins as many handshakes as there are connections, and each takes memory before
anybody counts it.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final

HANDSHAKE_SECONDS: Final = 5.0

_BACKLOG: Final = 1024
_PAUSE_SECONDS: Final = 0.1
"""After an error of the system, such as too many open files."""

_log: Final = logging.getLogger(__name__)


class TlsAcceptor:
    """Listens until it is closed.

    Args:
        group: of the tasks that accept, and of the handshakes.
        sockets: they listen.
        protocol: makes what a connection speaks once it is encrypted.
        context: how it is encrypted.
        has_room: whether one more may come, while so many are in their handshake.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        sockets: Sequence[socket.socket],
        protocol: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext,
        has_room: Callable[[int], bool],
    ) -> None:
        self.sockets = sockets
        self._group = group
        self._protocol = protocol
        self._context = context
        self._has_room = has_room
        self._handshakes: set[asyncio.Task[None]] = set()
        self._accepting = [group.create_task(self._accept(item)) for item in sockets]

    def close(self) -> None:
        """Accept no further connections; those that are encrypted stay."""
        for task in (*self._accepting, *self._handshakes):
            task.cancel()
        for item in self.sockets:
            item.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError as error:
                _log.warning("a connection cannot be accepted", extra={"error": str(error)})
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if not self._has_room(len(self._handshakes)):
                connection.close()  # what could be said would need the handshake
                continue
            task = self._group.create_task(self._begin(connection))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)  # noqa: FBT003
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        except (OSError, TimeoutError) as error:
            _log.debug("a handshake failed", extra={"error": str(error)})


async def listening_sockets(host: str, port: int) -> Sequence[socket.socket]:
    """Sockets that listen at every address of a host.

    Raises:
        OSError: the port is in use, or an address belongs to another machine.
    """
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    opened: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            made = socket.socket(family, kind, protocol)
            opened.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind(address)
            made.listen(_BACKLOG)
            made.setblocking(False)  # noqa: FBT003
    except OSError:
        for made in opened:
            made.close()
        raise
    return opened
