"""Every request has its ids and is measured; every error is a problem."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from chekov.domain.envelope import CommandEnvelope
from chekov.domain.middleware import Next
from chekov.engine.commands.execution import Dispatched
from chekov.server.queries import Queries
from chekov.store.port import NewEvent
from chekov.uuid7 import uuid7
from tests.unit.engine.exits import EXITS
from tests.unit.server.conftest import ID, OPEN, Serving, fill, problem
from tests.waiting import until

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_requests_are_measured_by_route(serving: Serving) -> None:
    async with serving() as server:
        await fill(server, 0)
        await server.api.get(f"/streams/account-{ID}")
        page = await (await server.management.get("/metrics")).text()
    labels = 'method="GET",route="/streams/{stream}",status="200"'
    assert f"chekov_http_requests_total{{{labels}}} 1.0" in page
    assert 'chekov_commands_total{command="OpenAccount",outcome="accepted"} 1.0' in page


async def test_the_correlation_id_is_passed_on(serving: Serving) -> None:
    correlation = str(uuid4())
    async with serving() as server:
        response = await server.api.post(
            "/commands/OpenAccount", json=OPEN, headers={"X-Correlation-ID": correlation}
        )
        (event,) = (await response.json())["events"]
    assert event["correlation_id"] == correlation
    assert response.headers["X-Correlation-ID"] == correlation


async def test_a_correlation_id_must_be_a_uuid(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post(
            "/commands/OpenAccount", json=OPEN, headers={"X-Correlation-ID": "seven"}
        )
        await problem(response, 400, "malformed-request")
        assert UUID(response.headers["X-Correlation-ID"])


async def test_the_callers_trace_is_stored_with_the_events(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post(
            "/commands/OpenAccount", json=OPEN, headers={"traceparent": TRACEPARENT}
        )
        (event,) = (await response.json())["events"]
        assert event["metadata"] == {"$traceparent": TRACEPARENT}


async def test_a_malformed_trace_is_not_stored(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post(
            "/commands/OpenAccount", json=OPEN, headers={"traceparent": "nonsense"}
        )
        assert (await response.json())["events"][0]["metadata"] == {}


async def test_an_error_of_the_domain_shows_nothing_of_its_inside(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as server:
        response = await server.api.post(
            "/commands/Break", json={"account_id": ID}, headers={"traceparent": TRACEPARENT}
        )
        document = await problem(response, 500, "internal-error")
    assert "hunter2" not in str(document)
    assert document["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert document["correlation_id"] == response.headers["X-Correlation-ID"]
    assert "password=hunter2" in caplog.text


async def test_while_draining_connections_are_given_up(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post("/commands/OpenAccount", json=OPEN)
        assert response.headers.get("Connection") != "close"
        server.lifecycle.drain()
        response = await server.api.get(f"/streams/account-{ID}")
        assert response.status == 200
        assert response.headers["Connection"] == "close"


@pytest.mark.parametrize("error", EXITS, ids=repr)
async def test_an_exit_that_nobody_requested_is_a_failure_in_the_log(
    serving: Serving, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    async def leave(_envelope: CommandEnvelope[Any], _proceed: Next) -> Dispatched[Any]:
        raise error

    async with serving(domain_options={"middleware": [leave]}) as server:
        response = await server.api.post("/commands/OpenAccount", json=OPEN)
        await problem(response, 500, "internal-error")
        assert (await server.api.get("/streams")).status == 200
    assert "POST /commands/OpenAccount failed" in caplog.text
    assert "in leave" in caplog.text


@pytest.mark.parametrize("error", EXITS, ids=repr)
async def test_an_exit_that_nobody_requested_is_a_failure_of_a_query(
    serving: Serving,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    async def leave(*_: object, **__: object) -> object:
        raise error

    monkeypatch.setattr(Queries, "get", leave)
    async with serving() as server:
        response = await server.api.get("/queries/balances/total")
        await problem(response, 500, "internal-error")
    assert "in leave" in caplog.text


async def test_the_log_says_why_an_event_cannot_be_decoded(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as server:
        await server.store.append(f"account-{ID}", [NewEvent(uuid7(), "AccountOpened", b"{}")])
        for response in (
            await server.api.post("/commands/OpenAccount", json=OPEN),
            await server.api.get(f"/aggregates/account/{ID}"),
        ):
            document = await problem(response, 500, "undecodable-event")
            assert "owner" not in str(document)
            record = caplog.records[-1]
            assert "missing required field `owner`" in str(record.exc_info)
            assert (
                vars(record).items()
                >= {
                    "event_type": "AccountOpened",
                    "stream": f"account-{ID}",
                    "version": 1,
                }.items()
            )


async def test_metadata_of_a_command_is_stored_with_its_events(serving: Serving) -> None:
    given = {"X-Metadata": '{"tenant": "blue"}'}
    async with serving() as server:
        response = await server.api.post("/commands/OpenAccount", json=OPEN, headers=given)
        assert (await response.json())["events"][0]["metadata"] == {"tenant": "blue"}
        wrong = {"X-Metadata": "blue"}
        response = await server.api.post("/commands/OpenAccount", json=OPEN, headers=wrong)
        assert (await response.json())["header"] == "X-Metadata"


async def test_a_client_that_does_not_read_a_large_response_is_dropped(serving: Serving) -> None:
    content = b'{"text":"%b"}' % (b"x" * 900_000)
    async with (
        asyncio.timeout(240),
        serving(
            CHEKOV_ARRIVAL_TIMEOUT="0.3",
            CHEKOV_MAX_PAGES="1000000",
            CHEKOV_ADMISSION_WAIT="3600",
        ) as server,
    ):
        for _ in range(8):
            await server.store.append("large-1", [NewEvent(uuid7(), "noted", content)])
        held: list[asyncio.StreamWriter] = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection(
                server.api.host, server.api.port, limit=1000
            )
            writer.write(b"GET /events HTTP/1.1\r\nHost: shop\r\n\r\n" * 20)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            held.append(writer)
        response = await server.api.get("/events")
        assert len((await response.json())["events"]) == 5
        for writer in held:
            writer.close()


async def test_a_client_that_leaves_before_its_large_response_is_no_error(
    serving: Serving, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering = asyncio.Event()

    async def once_it_left(request: web.Request, _: web.Response) -> None:
        answering.set()
        with suppress(asyncio.CancelledError):  # as only the server of tests does
            await until(lambda: request.transport is None or request.transport.is_closing())

    async def has_ended() -> bool:
        page = await (await server.management.get("/metrics")).text()
        return 'http_requests_total{method="GET",route="/events",status="200"} 1.0' in page

    async with serving() as server:
        await server.store.append(
            "large-1", [NewEvent(uuid7(), "noted", b'{"text":"%b"}' % (b"x" * 900_000))]
        )
        monkeypatch.setattr("chekov.server.endpoint.compress", once_it_left)
        _, writer = await asyncio.open_connection(server.api.host, server.api.port)
        writer.write(b"GET /events HTTP/1.1\r\nHost: shop\r\n\r\n")
        await answering.wait()
        writer.transport.abort()
        await until(has_ended)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
