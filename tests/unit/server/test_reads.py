"""Aggregates, streams, pages of events and the description of all that."""

from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import uuid4

import pytest
from aiohttp import ClientResponse

from chekov.store.port import NewEvent
from tests.unit.server.conftest import Server, Serving

ID = "0192f0c1-0000-7000-8000-000000000001"


async def fill(server: Server, deposits: int = 3) -> None:
    await server.api.post("/commands/OpenAccount", json={"account_id": ID, "owner": "Ada"})
    for amount in range(1, deposits + 1):
        body = {"account_id": ID, "amount": amount}
        assert (await server.api.post("/commands/deposit-money", json=body)).status == 200


async def slug(response: ClientResponse) -> tuple[int, str]:
    return response.status, (await response.json())["type"].rpartition(":")[2]


async def test_an_aggregates_state_and_version_are_returned(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        response = await server.api.get(f"/aggregates/account/{ID.upper()}")
        assert response.status == 200
        assert response.headers["ETag"] == '"4"'
        assert await response.json() == {
            "stream": f"account-{ID}",
            "version": 4,
            "state": {"owner": "Ada", "balance": 6},
        }


async def test_an_aggregates_earlier_state_is_returned(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        path = f"/aggregates/account/{ID}"
        for version, balance in ((1, 0), (3, 3), (4, 6)):
            response = await server.api.get(path, params={"version": str(version)})
            assert response.headers["ETag"] == f'"{version}"'
            assert (await response.json())["state"]["balance"] == balance
        later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        assert (await (await server.api.get(path, params={"time": later})).json())["version"] == 4
        get = server.api.get
        assert await slug(await get(f"{path}?version=5")) == (404, "not-found")
        assert await slug(await get(f"{path}?time=1999-01-01T00:00:00Z")) == (
            404,
            "stream-not-found",
        )
        for bad in ("version=0", "version=x", "time=now", f"version=1&time={later[:19]}Z", "at=1"):
            assert await slug(await get(f"{path}?{bad}")) == (400, "malformed-request")


async def test_an_aggregate_that_does_not_exist_is_not_found(serving: Serving) -> None:
    async with serving() as server:
        get = server.api.get
        assert await slug(await get(f"/aggregates/account/{uuid4()}")) == (404, "stream-not-found")
        assert await slug(await get(f"/aggregates/car/{ID}")) == (404, "not-found")
        assert await slug(await get("/aggregates/account/7")) == (400, "malformed-request")


async def test_a_stream_is_read_page_by_page(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        first = await (await server.api.get(f"/streams/account-{ID}?limit=3")).json()
        assert first["stream"] == f"account-{ID}"
        assert [event["version"] for event in first["events"]] == [1, 2, 3]
        assert first["next"] == 3
        rest = await (await server.api.get(f"/streams/account-{ID}?limit=3&after=3")).json()
        assert [event["version"] for event in rest["events"]] == [4]
        assert rest["next"] is None


async def test_a_stream_is_read_backward(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        path = f"/streams/account-{ID}?direction=backward&limit=2"
        page = await (await server.api.get(path)).json()
        assert [event["version"] for event in page["events"]] == [4, 3]
        page = await (await server.api.get(f"{path}&after={page['next']}")).json()
        assert [event["version"] for event in page["events"]] == [2, 1]
        assert page["next"] is None


async def test_a_stream_is_read_as_it_was(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        path = f"/streams/account-{ID}?until="
        page = await (await server.api.get(f"{path}2")).json()
        assert [event["version"] for event in page["events"]] == [1, 2]
        page = await (await server.api.get(f"{path}1999-01-01T00:00:00Z")).json()
        assert page["events"] == []
        assert await slug(await server.api.get(f"{path}now")) == (400, "malformed-request")


async def test_streams_are_listed_by_name(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        for name in ("a-1", "a-2", "b-1"):
            await server.store.append(name, [NewEvent(uuid4(), "t", b"{}")])
        await server.store.streams.truncate(f"account-{ID}", before=3)

        async def names(query: str) -> tuple[list[str], str | None]:
            page = await (await server.api.get(f"/streams?{query}")).json()
            return [item["stream"] for item in page["streams"]], page["next"]

        assert await names("prefix=a-") == (["a-1", "a-2"], None)
        assert await names("prefix=a-&limit=1") == (["a-1"], "a-1")
        assert await names("prefix=a-&limit=1&after=a-1") == (["a-2"], None)
        assert await names("containing=-1") == (["a-1", "b-1"], None)
        page = await (await server.api.get("/streams?prefix=account")).json()
        [listed] = page["streams"]
        assert (listed["version"], listed["first"]) == (4, 3)
        assert datetime.fromisoformat(listed["created"]).tzinfo


async def test_after_the_end_of_a_stream_pages_are_empty(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        page = await (await server.api.get(f"/streams/account-{ID}?after=99")).json()
        assert (page["events"], page["next"]) == ([], None)
        response = await server.api.get("/streams/account-none")
        assert await slug(response) == (404, "stream-not-found")


async def test_everything_is_read_by_position_and_filtered(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        get = server.api.get
        page = await (await get("/events?after=1&limit=2")).json()
        assert [event["position"] for event in page["events"]] == [2, 3]
        assert page["next"] == 3
        page = await (await get("/events?type=AccountOpened")).json()
        assert [event["position"] for event in page["events"]] == [1]
        page = await (await get("/events?category=car")).json()
        assert page["events"] == []
        page = await (await get("/events?direction=backward&limit=1")).json()
        assert [event["position"] for event in page["events"]] == [4]


async def test_events_are_found_by_what_they_belong_to(serving: Serving) -> None:
    flow, key = str(uuid4()), str(uuid4())
    async with serving() as server:
        await fill(server)
        headers = {"X-Correlation-ID": flow, "Idempotency-Key": key}
        body = {"account_id": ID, "amount": 9}
        await server.api.post("/commands/deposit-money", json=body, headers=headers)

        async def found(query: str) -> list[int]:
            page = await (await server.api.get(f"/events?{query}")).json()
            return [event["position"] for event in page["events"]]

        assert await found(f"correlation={flow}") == [5]
        assert await found(f"causation={key}") == [5]
        assert await found(f"causation={flow}") == []
        assert await found("prefix=acc&type=AccountOpened") == [1]
        assert await found("prefix=b") == []


@pytest.mark.parametrize(
    "path",
    [
        "/events?limit=0",
        "/events?types=a",
        "/events?correlation=7",
        "/streams/x-1?type=a",
        "/streams?direction=backward",
        "/streams?limit=0",
    ],
)
async def test_a_bad_parameter_is_refused(serving: Serving, path: str) -> None:
    async with serving() as server:
        assert await slug(await server.api.get(path)) == (400, "malformed-request")


async def test_a_wrong_path_is_a_problem(serving: Serving) -> None:
    async with serving() as server:
        assert await slug(await server.api.get("/nowhere")) == (404, "not-found")
        assert await slug(await server.api.get("/queries/none/such")) == (404, "not-found")


async def test_the_response_to_a_wrong_method_lists_the_right_ones(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.get("/commands/OpenAccount")
        assert await slug(response) == (405, "method-not-allowed")
        assert response.headers["Allow"] == "POST"
        response = await server.api.delete("/events")
        assert response.status == 405
        assert response.headers["Allow"] == "GET, HEAD"


async def test_head_requests_are_answered_without_a_body(serving: Serving) -> None:
    async with serving() as server:
        await fill(server)
        response = await server.api.head(f"/aggregates/account/{ID}")
        assert response.status == 200
        assert response.headers["ETag"] == '"4"'
        assert await response.read() == b""


async def test_the_api_describes_itself(serving: Serving) -> None:
    async with serving() as server:
        document = await (await server.api.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == {
        "/commands/OpenAccount",
        "/commands/deposit-money",
        "/commands/Break",
        "/commands",
        "/aggregates/account/{id}",
        "/streams",
        "/streams/{stream}",
        "/events",
    }
    body = document["paths"]["/commands/OpenAccount"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/OpenAccount"
    }
    schema = document["components"]["schemas"]["OpenAccount"]
    assert schema["required"] == ["account_id", "owner"]
    assert schema["additionalProperties"] is False


async def test_every_reference_of_the_description_leads_somewhere(serving: Serving) -> None:
    async with serving() as server:
        document = await (await server.api.get("/openapi.json")).json()

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            own = {str(members["$ref"])} if "$ref" in members else set[str]()
            return own.union(*map(references, members.values()))
        items = cast("list[object]", value) if isinstance(value, list) else []
        return set[str]().union(*map(references, items))

    found_references = references(document)
    assert "#/components/schemas/OpenAccount" in found_references
    for reference in found_references:
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


async def test_requests_are_measured_by_route(serving: Serving) -> None:
    async with serving() as server:
        await fill(server, 0)
        await server.api.get(f"/streams/account-{ID}")
        page = await (await server.management.get("/metrics")).text()
    labels = 'method="GET",route="/streams/{stream}",status="200"'
    assert f"chekov_http_requests_total{{{labels}}} 1.0" in page
    assert 'chekov_commands_total{command="OpenAccount",outcome="accepted"} 1.0' in page
