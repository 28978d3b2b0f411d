"""`GET /events` with `Accept: text/event-stream` follows the store without missing anything."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from chekov.errors import StoreUnavailable
from chekov.server import event_writer
from chekov.server.endpoint import Endpoints
from chekov.server.event_stream import EventStream
from chekov.server.held_pages import HeldPages
from chekov.server.metrics import Metrics
from chekov.server.permissions import Permissions
from chekov.store.port import NewEvent
from tests.unit.server.conftest import ID, Server, Serving, Store, fill, problem
from tests.waiting import until

ACCEPT = {"Accept": "text/event-stream"}


async def open_account(server: Server) -> None:
    body = {"account_id": str(uuid4()), "owner": "Ada"}
    assert (await server.api.post("/commands/OpenAccount", json=body)).status == 200


def new_event(text: bytes = b"") -> NewEvent:
    return NewEvent(uuid4(), "noted", b'{"text":"%b"}' % text)


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
    async with asyncio.timeout(240), serving() as server:
        await open_account(server)
        await open_account(server)
        response = await server.api.get("/events", headers=ACCEPT)
        assert response.content_type == "text/event-stream"
        assert await block(response) == {"retry": "1000"}
        assert [await event(response), await event(response)] == [1, 2]
        await open_account(server)
        assert await event(response) == 3


async def test_a_client_comes_back_where_it_was(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server:
        for _ in range(3):
            await open_account(server)
        response = await server.api.get("/events", headers={**ACCEPT, "Last-Event-ID": "2"})
        assert await event(response) == 3
        response = await server.api.get("/events?after=1", headers=ACCEPT)
        assert await event(response) == 2


async def test_only_what_is_wanted_comes_live_too(serving: Serving) -> None:
    account = str(uuid4())
    async with asyncio.timeout(240), serving() as server:
        response = await server.api.get("/events?type=money-deposited", headers=ACCEPT)
        body = {"account_id": account, "owner": "Ada"}
        await server.api.post("/commands/OpenAccount", json=body)
        for amount in (1, 2):
            body = {"account_id": account, "amount": amount}
            await server.api.post("/commands/deposit-money", json=body)
        assert [await event(response), await event(response)] == [2, 3]


async def test_it_ends_cleanly_at_the_drain(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server:
        await open_account(server)
        response = await server.api.get("/events", headers=ACCEPT)
        assert await event(response) == 1
        server.lifecycle.drain()
        assert await response.content.read() == b""


@asynccontextmanager
async def following(server: Server, **options: float) -> AsyncGenerator[TestClient[Any, Any]]:
    """The endpoints alone, with limits of their own."""
    most = int(options.pop("most", 10))
    held = HeldPages(int(options.pop("held", 1_000_000)), 1)
    event_stream = EventStream(
        server.runtime.store,
        server.lifecycle,
        Permissions(server.runtime.domain),
        held,
        most=most,
        **options,
    )
    endpoints = Endpoints(Metrics([], []), None, server.lifecycle)
    app = web.Application()
    for path, handler in (
        ("/events", event_stream.events),
        ("/streams/{stream}", event_stream.stream),
    ):
        app.router.add_get(path, endpoints.endpoint("GET", path, handler))
    async with TestClient(TestServer(app)) as client:
        yield client
        server.lifecycle.drain()


async def test_silence_is_broken_by_a_sign_of_life(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server, following(server, heartbeat=0.01) as api:
        response = await api.get("/events", headers=ACCEPT)
        assert await block(response) == {"retry": "1000"}
        assert await block(response) == {"": "still here"}


async def test_events_that_are_not_wanted_are_silence_too(serving: Serving) -> None:
    """Else nobody would notice that the client left, while others keep the log busy."""

    async def write(store: Store) -> None:
        while True:
            await store.append("other-1", [new_event()])
            await asyncio.sleep(0)

    async with asyncio.timeout(240), serving() as server, following(server, heartbeat=0.01) as api:
        await server.store.append("quiet-1", [new_event()])
        writing = asyncio.create_task(write(server.store))
        for path in ("/events?category=account", "/streams/quiet-1"):
            response = await api.get(path, headers={**ACCEPT, "Last-Event-ID": "1"})
            assert await block(response) == {"retry": "1000"}
            assert await block(response) == {"": "still here"}
        writing.cancel()


async def test_the_number_of_clients_is_limited(serving: Serving) -> None:
    async with asyncio.timeout(240), serving(CHEKOV_MAX_EVENT_STREAMS="2") as server:
        await fill(server)
        stream = f"/streams/account-{ID}"
        first = await server.api.get("/events", headers=ACCEPT)
        assert (await server.api.get(stream, headers=ACCEPT)).status == 200
        refused = await server.api.get(stream, headers=ACCEPT)
        await problem(refused, 503, "too-many-event-streams")
        assert int(refused.headers["Retry-After"]) > 0
        assert (await server.api.get(stream)).status == 200
        first.close()

        async def is_free() -> bool:
            await server.store.append("other-1", [new_event()])
            return (await server.api.get("/events", headers=ACCEPT)).status == 200

        await until(is_free)


async def test_a_client_that_does_not_read_is_dropped(serving: Serving) -> None:
    async with (
        asyncio.timeout(240),
        serving() as server,
        following(server, most=1, patience=0.05) as api,
    ):
        for _ in range(40):
            await server.store.append("large-1", [new_event(b"x" * 500_000)])
        assert api.port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=1000)
        writer.write(b"GET /events HTTP/1.1\r\nHost: shop\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")

        async def is_free() -> bool:
            return (await api.get("/events?after=40")).status == 200

        await until(is_free)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(40 * 500_000)
        writer.close()


async def test_clients_that_do_not_read_hold_so_much_together(serving: Serving) -> None:
    async with (
        asyncio.timeout(240),
        serving() as server,
        following(server, held=100_000, patience=0.5) as api,
    ):
        for _ in range(10):
            await server.store.append("large-1", [new_event(b"x" * 40_000) for _ in range(40)])
        assert api.port is not None
        stalled: list[asyncio.StreamWriter] = []
        for _ in range(5):
            _, writer = await asyncio.open_connection("127.0.0.1", api.port, limit=1000)
            writer.write(b"GET /events HTTP/1.1\r\nHost: shop\r\n\r\n")
            stalled.append(writer)
        response = await api.get("/events")
        assert [await event(response) for _ in range(400)] == list(range(1, 401))
        for writer in stalled:
            writer.close()


async def test_a_slow_client_gets_every_event_once_when_others_need_the_room(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_writer, "_SLOW_SECONDS", -1.0)
    monkeypatch.setattr(HeldPages, "is_crowded", True)
    async with asyncio.timeout(240), serving() as server, following(server) as api:
        await fill(server, 0)
        stream = f"account-{ID}"
        for _ in range(9):
            await server.store.append(stream, [new_event(b"x" * 40_000)])
        for path in ("/events", f"/streams/{stream}"):
            response = await api.get(path)
            assert [await event(response) for _ in range(10)] == list(range(1, 11))


async def test_a_head_ends_at_once(serving: Serving) -> None:
    async with asyncio.timeout(240), serving(CHEKOV_MAX_EVENT_STREAMS="1") as server:
        await fill(server)
        for _ in range(2):
            for path in ("/events", f"/streams/account-{ID}"):
                response = await server.api.head(path, headers=ACCEPT)
                assert (response.status, await response.read()) == (200, b"")
                assert response.content_type == "text/event-stream"
        assert (await server.api.head("/streams/account-2", headers=ACCEPT)).status == 404


async def test_a_store_that_is_away_for_a_while_is_waited_for(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server:
        await open_account(server)
        response = await server.api.get("/events", headers=ACCEPT)
        assert await event(response) == 1
        with patch.object(
            server.store.tail, "after", side_effect=StoreUnavailable("away")
        ) as after:
            await open_account(server)
            await until(lambda: after.called)
        assert await event(response) == 2


async def test_a_bad_beginning_is_refused(serving: Serving) -> None:
    async with serving() as server:
        for last in ("latest", "-1", "9" * 30):
            headers = {**ACCEPT, "Last-Event-ID": last}
            assert (await server.api.get("/events", headers=headers)).status == 400
        response = await server.api.get("/events?direction=backward", headers=ACCEPT)
        assert response.status == 400


async def test_a_position_beyond_the_log_is_refused_instead_of_waited_for(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server:
        await open_account(server)
        for path, further in (("/events", {"Last-Event-ID": "2"}), ("/events?after=2", {})):
            response = await server.api.get(path, headers={**ACCEPT, **further})
            found = await problem(response, 409, "beyond-the-log")
            assert (found["expected"], found["actual"]) == (2, 1)
            detail = str(found["detail"])
            assert "ends at position 1, before 2" in detail
            assert "without Last-Event-ID" in detail


async def test_it_ends_when_the_log_is_restored(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server:
        await open_account(server)
        response = await server.api.get("/events", headers=ACCEPT)
        assert await event(response) == 1
        server.store.tail.resets.bump()
        server.store.tail.head.wake_all()
        assert await response.content.read() == b""


async def test_the_number_of_clients_is_a_metric(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server:
        await open_account(server)

        async def connected(number: int) -> bool:
            text = await (await server.management.get("/metrics")).text()
            return f"\nchekov_event_streams {number}.0\n" in text

        assert await connected(0)
        response = await server.api.get("/events", headers=ACCEPT)
        assert await event(response) == 1
        assert await connected(1)
        server.lifecycle.drain()
        await until(partial(connected, 0), 30)
