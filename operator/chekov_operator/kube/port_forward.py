"""A port of a pod on this machine, through the API server, as `kubectl port-forward` does it.

The way ends inside of the pod: no NetworkPolicy applies, and the `Authorization` header arrives,
which the API server's HTTP proxy would take for its own. Each connection is a WebSocket.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import aiohttp

from chekov.errors import ChekovError
from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import POD

_PROTOCOL: Final = "v4.channel.k8s.io"
_DATA: Final = 0
_CHUNK: Final = 64 * 1024
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)


class PodUnavailable(ChekovError):
    """A pod cannot be asked."""


@asynccontextmanager
async def forwarded(client: Client, namespace: str, pod: str, port: int) -> AsyncGenerator[str]:
    """A local address, such as `127.0.0.1:40001`, that leads to a port of a pod within the block.

    Raises:
        ApiError: the server refuses, for example because the user may not do this.
        ApiUnavailable: it does not answer.
    """
    path, params = POD.path(namespace, pod, "portforward"), {"ports": str(port)}
    connections: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(current := asyncio.current_task())
        try:
            async with client.websocket(path, params, _PROTOCOL) as socket:
                await _joined(reader, writer, socket)
        # Whoever connected sees the end of the connection; only this function cancels the task.
        except* (ApiError, ApiUnavailable, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            connections.discard(current)

    # What a connection is refused for would be lost on whoever connects, so it is asked first.
    try:
        async with client.websocket(path, params, _PROTOCOL):
            pass
    except ApiError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        # The answer to a handshake has no content. Which verb is needed depends on the release.
        right = 'cannot get,create resource "pods/portforward" in API group ""'
        reply = f'{right} in the namespace "{namespace}"'
        raise ApiError(error.status, error.reason, str(error), reply=reply) from error
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        host, number = server.sockets[0].getsockname()
        yield f"{host}:{number}"
    finally:
        server.close()
        open_ones = [task for task in connections if task is not None]
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)


async def fetched(
    client: Client, namespace: str, pod: str, port: int, path: str, *, tls: bool
) -> str:
    """What a pod answers at a path.

    Raises:
        ApiError: the API server refuses.
        PodUnavailable: the pod does not answer, or with an error.
    """
    scheme = "https" if tls else "http"
    where = f"GET {scheme}://{pod}:{port}{path}"
    async with forwarded(client, namespace, pod, port) as address:
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                # That it is the pod, the API server and its node answer for.
                session.get(f"{scheme}://{address}{path}", ssl=not tls) as response,
            ):
                text = await response.text(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PodUnavailable(f"{where}: {error or type(error).__name__}") from error
    if response.status != HTTPStatus.OK:
        raise PodUnavailable(f"{where}: {response.status} {response.reason}")
    return text


async def _joined(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    socket: aiohttp.ClientWebSocketResponse,
) -> None:
    """Carry bytes both ways until one side ends."""

    async def up() -> None:
        while chunk := await reader.read(_CHUNK):
            await socket.send_bytes(bytes([_DATA]) + chunk)
        await socket.close()

    async def down() -> None:
        started = False
        async for message in socket:
            content = message.data
            if message.type is not aiohttp.WSMsgType.BINARY or content[0] != _DATA:
                continue
            # The first message of a channel is its port.
            if started:
                writer.write(content[1:])
                await writer.drain()
            started = True
        # Ends `up`, which waits for the other side.
        reader.feed_eof()

    async with asyncio.TaskGroup() as group:
        group.create_task(up())
        group.create_task(down())
