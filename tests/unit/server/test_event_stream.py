"""`GET /events` with `Accept: text/event-stream` follows the store without missing anything."""

import asyncio
import json
from uuid import uuid4

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from chekov.server.event_stream import EventStream
from tests.unit.server.conftest import Server, Serving

ACCEPT = {"Accept": "text/event-stream"}


async def open_account(server: Server) -> None:
    body = {"account_id": str(uuid4()), "owner": "Ada"}
    assert (await server.api.post("/commands/OpenAccount", json=body)).status == 200


async def block(response: ClientResponse) -> dict[str, str]:
    """The next event or comment, as its fields."""
    text = (await response.content.readuntil(b"\n\n")).decode()
    pairs = (line.partition(": ") for line in text.strip("\n").split("\n"))
    return {name: value for name, _, value in pairs}


async def event(response: ClientResponse) -> int:
    """The position of the next event; comments are passed over."""
    while "data" not in (fields := await block(response)):
        pass
    assert json.loads(fields["data"])["position"] == int(fields["id"])
    return int(fields["id"])


async def test_what_is_stored_comes_first_and_then_what_is_new(serving: Serving) -> None:
    async with asyncio.timeout(30), serving() as server:
        await open_account(server)
        await open_account(server)
        response = await server.api.get("/events", headers=ACCEPT)
        assert response.content_type == "text/event-stream"
        assert await block(response) == {"retry": "1000"}
        assert [await event(response), await event(response)] == [1, 2]
        await open_account(server)
        assert await event(response) == 3


async def test_a_client_comes_back_where_it_was(serving: Serving) -> None:
    async with asyncio.timeout(30), serving() as server:
        for _ in range(3):
            await open_account(server)
        response = await server.api.get("/events", headers={**ACCEPT, "Last-Event-ID": "2"})
        assert await event(response) == 3
        response = await server.api.get("/events?after=1", headers=ACCEPT)
        assert await event(response) == 2


async def test_only_what_is_wanted_comes_live_too(serving: Serving) -> None:
    account = str(uuid4())
    async with asyncio.timeout(30), serving() as server:
        response = await server.api.get("/events?type=money-deposited", headers=ACCEPT)
        body = {"account_id": account, "owner": "Ada"}
        await server.api.post("/commands/OpenAccount", json=body)
        for amount in (1, 2):
            body = {"account_id": account, "amount": amount}
            await server.api.post("/commands/deposit-money", json=body)
        assert [await event(response), await event(response)] == [2, 3]


async def test_it_ends_cleanly_at_the_drain(serving: Serving) -> None:
    async with asyncio.timeout(30), serving() as server:
        await open_account(server)
        response = await server.api.get("/events", headers=ACCEPT)
        assert await event(response) == 1
        server.lifecycle.drain()
        assert await response.content.read() == b""


async def test_silence_is_broken_by_a_sign_of_life(serving: Serving) -> None:
    async with asyncio.timeout(30), serving() as server:
        following = EventStream(server.runtime.store, server.lifecycle, heartbeat=0.01)
        app = web.Application()
        app.router.add_get("/events", following.get)
        async with TestClient(TestServer(app)) as client:
            response = await client.get("/events", headers=ACCEPT)
            assert await block(response) == {"retry": "1000"}
            assert await block(response) == {"": "still here"}
            server.lifecycle.drain()


async def test_a_bad_beginning_is_refused(serving: Serving) -> None:
    async with serving() as server:
        headers = {**ACCEPT, "Last-Event-ID": "latest"}
        assert (await server.api.get("/events", headers=headers)).status == 400
        response = await server.api.get("/events?direction=backward", headers=ACCEPT)
        assert response.status == 400
