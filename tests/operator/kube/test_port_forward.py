"""A port of a pod through the API server: bytes both ways, many connections, and its end."""

import asyncio

import pytest

from chekov_operator.kube.api_error import ApiError
from chekov_operator.kube.client import Client
from chekov_operator.kube.port_forward import PodUnavailable, fetched, forwarded
from tests.operator.fake_api import FakeApi
from tests.operator.plugin.fake_pod import listening

POD = "/api/v1/namespaces/shops/pods/bank-1"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
    writer.close()


async def sent(address: str, content: bytes) -> bytes:
    """What comes back for some bytes, after which this side ends the connection."""
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(content)
    found = await reader.readexactly(len(content))
    writer.close()
    await writer.wait_closed()
    return found


async def test_bytes_go_both_ways_in_many_connections_at_once(api: FakeApi, client: Client) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        api.ports[POD, 8080] = server.sockets[0].getsockname()[1]
        async with forwarded(client, "shops", "bank-1", 8080) as address:
            contents = [bytes([number]) * 300_000 for number in range(8)]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(sent(address, content)) for content in contents]
            assert [task.result() for task in tasks] == contents
        with pytest.raises(OSError, match="Connect call failed"):
            await sent(address, b"a")


async def test_open_connections_end_with_the_block(api: FakeApi, client: Client) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        api.ports[POD, 8080] = server.sockets[0].getsockname()[1]
        async with forwarded(client, "shops", "bank-1", 8080) as address:
            host, _, port = address.partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"a")
            assert await reader.readexactly(1) == b"a"
        assert await reader.read() == b""
        writer.close()


async def test_what_the_api_server_refuses_is_known_before_anything_connects(
    api: FakeApi, client: Client
) -> None:
    api.fail("GET", "/portforward", 403, "Forbidden")
    with pytest.raises(ApiError) as caught:
        async with forwarded(client, "shops", "bank-1", 8080):
            raise AssertionError
    assert caught.value.status == 403
    assert 'cannot get,create resource "pods/portforward"' in caught.value.reply


async def test_a_path_is_fetched_or_it_is_told_why_not(api: FakeApi, client: Client) -> None:
    async with listening(api, "bank-1", 9090, {"/metrics": "up 1\n"}):
        found = await fetched(client, "shops", "bank-1", 9090, "/metrics", tls=False)
        assert found == "up 1\n"
        with pytest.raises(PodUnavailable, match="404"):
            await fetched(client, "shops", "bank-1", 9090, "/none", tls=False)
    with pytest.raises(PodUnavailable, match="GET http://bank-1:9090/metrics"):
        await fetched(client, "shops", "bank-1", 9090, "/metrics", tls=False)
