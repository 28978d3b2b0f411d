"""Ports of pods through the fake API server: each WebSocket carries one connection."""

import asyncio

from aiohttp import WSMsgType, web

_DATA = b"\x00"
_ERROR = b"\x01"


async def forward(request: web.Request, port: int) -> web.StreamResponse:
    """Connect a client to a port of this machine, as a kubelet does to one of a pod."""
    socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
    await socket.prepare(request)
    number = int(request.query["ports"]).to_bytes(2, "little")
    for channel in (_DATA, _ERROR):
        await socket.send_bytes(channel + number)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def down() -> None:
        while chunk := await reader.read(65536):
            await socket.send_bytes(_DATA + chunk)
        await socket.close()

    async def up() -> None:
        async for message in socket:
            if message.type is WSMsgType.BINARY and message.data[:1] == _DATA:
                writer.write(message.data[1:])
                await writer.drain()
        writer.write_eof()

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(down())
            group.create_task(up())
    except* OSError:
        pass  # one side left
    finally:
        writer.close()
    return socket
