"""A server's beginning and end: it waits for its store, and nobody is cut off when it stops."""

import asyncio
import json
import signal
from collections.abc import AsyncGenerator
from uuid import uuid4

import aiohttp
import asyncpg

from chekov.store.postgres import PostgresStore
from tests.integration.server_process import Server, bank, chekov, post
from tests.waiting import until

CLIENTS = 24


async def deposits(server: Server, enough: asyncio.Event) -> int:
    """One client, which sends over a kept-alive connection until it is given up; what it got."""
    account = str(uuid4())
    acknowledged = 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        await post(session, server.api("/commands/OpenAccount"), account_id=account, owner="Ada")
        acknowledged += 1
        while True:
            body = {"account_id": account, "amount": 1}
            async with session.post(server.api("/commands/Deposit"), json=body) as response:
                assert response.status == 200, await response.text()
                assert (await response.json())["version"] == acknowledged + 1
                acknowledged += 1
                if acknowledged > 5:
                    enough.set()
                if response.headers.get("Connection", "").lower() == "close":
                    return acknowledged


async def batch(server: Server, enough: asyncio.Event) -> int:
    """A batch without an end; how many of its lines were accepted."""
    account = str(uuid4())

    async def lines() -> AsyncGenerator[bytes]:
        data = {"account_id": account, "owner": "Ada"}
        yield json.dumps({"command": "OpenAccount", "data": data}).encode() + b"\n"
        deposit = {"command": "Deposit", "data": {"account_id": account, "amount": 1}}
        while not ended.is_set():
            yield json.dumps(deposit).encode() + b"\n"

    ended = asyncio.Event()
    accepted = 0
    headers = {"Content-Type": "application/x-ndjson"}
    async with aiohttp.ClientSession() as session:
        url = server.api("/commands")
        async with session.post(url, data=lines(), headers=headers) as response:
            async for line in response.content:
                answer = json.loads(line)
                if answer.get("status") == 503:
                    break
                assert answer["version"] == accepted + 1
                accepted += 1
                if accepted > 5:
                    enough.set()
            ended.set()
    return accepted


async def test_nothing_in_flight_is_cut_when_it_stops_under_load(dsn: str) -> None:
    async with chekov("serve", **bank(dsn)) as server:
        await server.serving()
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            clients = [group.create_task(deposits(server, enough)) for _ in range(CLIENTS)]
            clients.append(group.create_task(batch(server, enough)))
            await enough.wait()
            server.terminate()
        assert await server.ended() == 0
    acknowledged = sum(client.result() for client in clients)
    async with PostgresStore(dsn, migrate=False) as store:
        assert await store.head() == acknowledged
        balances, *others = await store.subscriptions.list("bank")
    assert balances.position == acknowledged
    assert {item.owner for item in (balances, *others)} == {None}
    assert [line["message"] for line in server.log][-1] == "drained"


async def test_a_revision_reports_how_its_commands_ended(dsn: str) -> None:
    """Until it has drained, so that what it did last counts too."""
    environment = bank(dsn, CHEKOV_REVISION="r1", CHEKOV_NODE="bank-1")
    async with chekov("serve", **environment) as server, aiohttp.ClientSession() as session:
        await server.serving()
        account = str(uuid4())
        for status in (200, 422):
            url = server.api("/commands/OpenAccount")
            async with session.post(url, json={"account_id": account, "owner": "Ada"}) as response:
                assert response.status == status
        server.terminate()
        assert await server.ended() == 0
    async with PostgresStore(dsn, migrate=False) as store:
        [figures] = await store.figures.list()
    assert (figures.process[:7], figures.domain, figures.revision) == ("bank-1/", "bank", "r1")
    assert (figures.commands, figures.failures, sum(figures.durations)) == (2, 0, 2)


async def test_a_listener_of_events_is_let_go_when_it_stops(dsn: str) -> None:
    headers = {"Accept": "text/event-stream"}
    async with chekov("serve", **bank(dsn)) as server, aiohttp.ClientSession() as session:
        await server.serving()
        async with session.get(server.api("/events"), headers=headers) as response:
            assert await response.content.readline() == b"retry: 1000\n"
            server.terminate()
            await response.content.read()
        assert await server.ended() == 0


async def test_a_request_that_is_still_being_sent_is_waited_for(dsn: str) -> None:
    body = json.dumps({"account_id": str(uuid4()), "owner": "Ada"}).encode()
    head = (
        "POST /commands/OpenAccount HTTP/1.1\r\nHost: bank\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with chekov("serve", **bank(dsn)) as server, aiohttp.ClientSession() as session:
        await server.serving()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.ports["http"])
        writer.write(head.encode() + body[:10])
        while True:
            async with session.get(server.management("/metrics")) as response:
                if "chekov_http_requests_in_flight 1.0" in await response.text():
                    break
        server.terminate()
        while True:
            async with session.get(server.management("/readyz")) as response:
                if response.status == 503:
                    break
        writer.write(body[10:])
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"Connection: close" in answer
        assert await server.ended() == 0


async def test_a_client_that_does_not_read_delays_nobody(dsn: str) -> None:
    environment = bank(dsn, CHEKOV_DRAIN_TIMEOUT="3600")
    async with chekov("serve", **environment) as server, aiohttp.ClientSession() as session:
        await server.serving()
        for _ in range(20):
            url = server.api("/commands/OpenAccount")
            await post(session, url, account_id=str(uuid4()), owner="x" * 1_000_000)
        _, writer = await asyncio.open_connection("127.0.0.1", server.ports["http"], limit=1)
        writer.write(b"GET /events HTTP/1.1\r\nHost: bank\r\nAccept: text/event-stream\r\n\r\n")
        while True:
            async with session.get(server.management("/metrics")) as response:
                if "chekov_http_requests_in_flight 1.0" in await response.text():
                    break
        server.terminate()
        assert await server.ended() == 0
        writer.close()


async def test_it_is_unready_for_a_while_before_it_stops_listening(dsn: str) -> None:
    environment = bank(dsn, CHEKOV_DRAIN_DELAY="1")
    async with chekov("serve", **environment) as server, aiohttp.ClientSession() as session:
        await server.serving()
        server.terminate()
        while True:
            async with session.get(server.management("/readyz")) as response:
                if response.status == 503:
                    break
        async with session.get(server.api("/events")) as response:
            assert response.status == 200
            assert response.headers["Connection"] == "close"
        assert await server.ended() == 0


async def test_a_second_interrupt_cuts_everything_off(dsn: str) -> None:
    environment = bank(dsn, CHEKOV_DRAIN_DELAY="3600")
    async with chekov("serve", **environment) as server, aiohttp.ClientSession() as session:
        await server.serving()
        server.child.send_signal(signal.SIGINT)
        while True:
            async with session.get(server.management("/readyz")) as response:
                if response.status == 503:
                    break
        server.child.send_signal(signal.SIGINT)
        assert await server.ended() == 130


async def test_without_its_store_it_waits_and_says_so() -> None:
    """Pods must not crash in a loop while Postgres is away."""
    away = "postgresql://postgres@127.0.0.1:1/postgres"
    async with chekov("serve", **bank(away)) as server, aiohttp.ClientSession() as session:
        await server.answering_probes()
        for path, status in (("/livez", 200), ("/startupz", 503), ("/readyz", 503)):
            async with session.get(server.management(path)) as response:
                assert response.status == status
        server.terminate()
        assert await server.ended() == 0


async def test_a_schema_that_does_not_fit_ends_it_with_the_remedy(empty_dsn: str) -> None:
    async with chekov("serve", **bank(empty_dsn)) as server:
        assert await server.ended() == 1
    (line,) = (line for line in server.log if line["level"] == "CRITICAL")
    assert "run `chekov migrate`" in line["message"]


async def test_a_taken_port_ends_it(dsn: str) -> None:
    async with chekov("serve", **bank(dsn)) as first:
        await first.serving()
        taken = str(first.ports["management"])
        async with chekov("serve", **bank(dsn, CHEKOV_MANAGEMENT_PORT=taken)) as second:
            assert await second.ended() == 1
    assert f"cannot listen on 127.0.0.1:{taken}" in second.log[-1]["message"]


async def test_a_store_whose_tables_are_gone_is_waited_for(dsn: str) -> None:
    async with chekov("serve", **bank(dsn)) as server, aiohttp.ClientSession() as session:
        await server.serving()

        async def is_ready() -> bool:
            async with session.get(server.management("/readyz")) as response:
                return response.status == 200

        async def is_unready() -> bool:
            return not await is_ready()

        async def refused() -> bool:
            return any("were not renewed" in line["message"] for line in server.log)

        connection = await asyncpg.connect(dsn)
        await connection.execute("alter table chekov.events rename to gone")
        await connection.execute("alter table chekov.subscriptions rename to gone_too")
        await until(refused)
        await until(is_unready)
        await connection.execute("alter table chekov.gone rename to events")
        await connection.execute("alter table chekov.gone_too rename to subscriptions")
        await connection.close()
        await until(is_ready)
        server.terminate()
        assert await server.ended() == 0
