"""`GET /streams/{stream}` with `Accept: text/event-stream` follows one stream to its end."""

import asyncio
import json
from uuid import uuid4

from aiohttp import ClientResponse

from chekov.store.port import NewEvent
from tests.unit.server.conftest import ID, OPEN, Server, Serving, fill, problem

ACCEPT = {"Accept": "text/event-stream"}
STREAM = f"account-{ID}"
PATH = f"/streams/{STREAM}"


async def deposit(server: Server, amount: int) -> None:
    body = {"account_id": ID, "amount": amount}
    assert (await server.api.post("/commands/deposit-money", json=body)).status == 200


async def follow(
    server: Server, path: str = PATH, last_event_id: int | None = None
) -> ClientResponse:
    headers = ACCEPT if last_event_id is None else {**ACCEPT, "Last-Event-ID": str(last_event_id)}
    return await server.api.get(path, headers=headers)


async def event(response: ClientResponse) -> tuple[int, str]:
    """The version and type of the next event."""
    found: dict[bytes, bytes] = {}
    while b"data" not in found:
        text = await response.content.readuntil(b"\n\n")
        lines = (line.partition(b": ") for line in text.strip(b"\n").split(b"\n"))
        found = {name: value for name, _, value in lines}
    shown = json.loads(found[b"data"])
    assert shown["version"] == int(found[b"id"])
    return shown["version"], shown["type"]


async def test_what_is_stored_comes_first_and_then_what_is_new(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server:
        await fill(server, deposits=2)
        response = await follow(server)
        assert response.content_type == "text/event-stream"
        assert await event(response) == (1, "AccountOpened")
        assert [await event(response) for _ in range(2)] == [
            (2, "money-deposited"), (3, "money-deposited")
        ]  # fmt: skip
        await server.store.append("other-1", [NewEvent(uuid4(), "noted", b"{}")])
        await deposit(server, 1)
        assert await event(response) == (4, "money-deposited")


async def test_long_streams_are_read_in_pages(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server:
        events = [NewEvent(uuid4(), "noted", b"{}") for _ in range(3000)]
        await server.store.append("long-1", events)
        response = await follow(server, "/streams/long-1")
        for version in range(1, 3001):
            assert await event(response) == (version, "noted")
        await server.store.append("long-1", [NewEvent(uuid4(), "noted", b"{}")])
        assert await event(response) == (3001, "noted")


async def test_a_client_comes_back_where_it_was(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server:
        await fill(server)
        assert await event(await follow(server, last_event_id=3)) == (4, "money-deposited")
        assert await event(await follow(server, f"{PATH}?after=2")) == (3, "money-deposited")
        at_the_end = await follow(server, last_event_id=4)
        await deposit(server, 1)
        assert await event(at_the_end) == (5, "money-deposited")


async def test_links_appear_as_what_they_lead_to(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server:
        await fill(server)
        await server.store.streams.link("picked-1", [2])
        response = await follow(server, "/streams/picked-1")
        assert await event(response) == (1, "money-deposited")
        await server.store.streams.link("picked-1", [1])
        assert await event(response) == (2, "AccountOpened")


async def test_a_deletion_is_the_last_event(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server:
        await fill(server, deposits=0)
        response = await follow(server)
        assert await event(response) == (1, "AccountOpened")
        await server.store.streams.delete(STREAM)
        assert await event(response) == (2, "$deleted")
        assert await response.content.read() == b""
        await problem(await follow(server, last_event_id=2), 410, "stream-deleted")


async def test_an_erased_stream_ends_and_another_of_its_name_is_not_mistaken_for_it(
    serving: Serving,
) -> None:
    async with asyncio.timeout(240), serving() as server:
        await fill(server)
        response = await follow(server, last_event_id=3)
        assert await event(response) == (4, "money-deposited")
        await server.store.streams.delete(STREAM, erase=True)
        assert (await server.api.post("/commands/OpenAccount", json=OPEN)).status == 200
        assert await response.content.read() == b""
        refused = await problem(await follow(server, last_event_id=4), 409, "version-conflict")
        assert (refused["expected"], refused["actual"]) == (4, 1)
        assert await event(await follow(server)) == (1, "AccountOpened")


async def test_truncation_leaves_what_is_new(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server:
        await fill(server)
        response = await follow(server, last_event_id=3)
        assert await event(response) == (4, "money-deposited")
        await server.store.streams.truncate(STREAM, before=4, erase=True)
        await deposit(server, 1)
        assert await event(response) == (5, "money-deposited")
        assert await event(await follow(server)) == (4, "money-deposited")


async def test_what_does_not_exist_or_has_no_end_is_refused(serving: Serving) -> None:
    async with serving() as server:
        await problem(await follow(server, "/streams/account-2"), 404, "stream-not-found")
        await fill(server)
        for query in ("direction=backward", "until=3", "type=x"):
            await problem(await follow(server, f"{PATH}?{query}"), 400, "malformed-request")
        await server.store.streams.delete(STREAM)
        await problem(await follow(server), 410, "stream-deleted")


async def test_it_ends_cleanly_at_the_drain(serving: Serving) -> None:
    async with asyncio.timeout(240), serving() as server:
        await fill(server, deposits=0)
        response = await follow(server)
        assert await event(response) == (1, "AccountOpened")
        server.lifecycle.drain()
        assert await response.content.read() == b""
