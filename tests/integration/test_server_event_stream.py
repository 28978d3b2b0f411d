"""Clients of event streams come and go, as do servers, and each gets every event once."""

import asyncio
import json
from uuid import uuid4

import aiohttp
import pytest

from chekov.store.postgres import PostgresStore
from tests.integration.server_process import Server, bank, chekov, post

DEPOSITS = 60
MOST_PER_CONNECTION = 7
ACCEPT = {"Accept": "text/event-stream"}


async def deposit(session: aiohttp.ClientSession, server: Server, account: str) -> None:
    for amount in range(1, DEPOSITS + 1):
        await post(session, server.api("/commands/Deposit"), account_id=account, amount=amount)


async def follow(session: aiohttp.ClientSession, servers: list[Server], path: str) -> list[int]:
    """What deposits were of, by a client that leaves every few events and comes back elsewhere."""
    amounts: list[int] = []
    headers = dict(ACCEPT)
    while len(amounts) < DEPOSITS:
        servers.reverse()
        read = 0
        async with session.get(servers[0].api(path), headers=headers) as response:
            assert response.status == 200
            async for line in response.content:
                name, _, value = line.decode().strip().partition(": ")
                if name == "id":
                    headers["Last-Event-ID"] = value
                elif name == "data":
                    event = json.loads(value)
                    number = event["version" if "/streams" in path else "position"]
                    assert headers["Last-Event-ID"] == str(number)
                    amounts += [event["data"]["amount"]] if "amount" in event["data"] else []
                    read += 1
                if read == MOST_PER_CONNECTION or len(amounts) >= DEPOSITS:
                    break
    return amounts


@pytest.mark.parametrize("followed", ["stream", "log"])
async def test_who_comes_back_misses_nothing_and_gets_nothing_twice(
    dsn: str, followed: str
) -> None:
    account = str(uuid4())
    path = f"/streams/account-{account}" if followed == "stream" else "/events?category=account"
    async with (
        chekov("serve", **bank(dsn)) as first,
        chekov("serve", **bank(dsn)) as second,
        aiohttp.ClientSession() as session,
    ):
        await first.serving()
        await second.serving()
        url = first.api("/commands/OpenAccount")
        await post(session, url, account_id=account, owner="Ada")
        async with asyncio.TaskGroup() as group:
            following = group.create_task(follow(session, [first, second], path))
            group.create_task(deposit(session, second, account))
        assert following.result() == list(range(1, DEPOSITS + 1))


async def test_a_stream_that_another_process_deletes_or_erases_ends(dsn: str) -> None:
    async with (
        PostgresStore(dsn) as store,
        chekov("serve", **bank(dsn)) as server,
        aiohttp.ClientSession() as session,
    ):
        await server.serving()
        for erase in (False, True):
            account = str(uuid4())
            url = server.api("/commands/OpenAccount")
            await post(session, url, account_id=account, owner="Ada")
            stream = f"account-{account}"
            async with session.get(server.api(f"/streams/{stream}"), headers=ACCEPT) as response:
                while not (await response.content.readline()).startswith(b"data: "):
                    pass
                await store.streams.delete(stream, erase=erase)
                rest = await response.content.read()
            assert rest.count(b'"type":"$deleted"') == (0 if erase else 1)
            async with session.get(server.api(f"/streams/{stream}"), headers=ACCEPT) as response:
                assert response.status == (404 if erase else 410)
