"""Over HTTP, streams are what is stored, and states are what it means today."""

from typing import Any

from chekov import MessagePack, Origin, upcast
from chekov.store.port import NewEvent
from chekov.uuid7 import uuid7
from tests.unit.server.conftest import ID, AccountOpened, Server, Serving, slug
from tests.unit.server.test_event_stream import ACCEPT, block


@upcast("opened", to=AccountOpened)
def with_owner(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    del origin
    return {"owner": data["name"]}


@upcast("looked-at", to=())
def dropped(data: dict[str, Any], origin: Origin) -> list[tuple[str, dict[str, Any]]]:
    del data, origin
    return []


OPTIONS = {"upcasters": [with_owner, dropped], "serializer": MessagePack()}


async def store(server: Server, *events: tuple[str, bytes]) -> None:
    new = [NewEvent(uuid7(), name, data) for name, data in events]
    await server.store.append(f"account-{ID}", new)


async def test_a_stream_is_shown_as_stored_and_its_state_as_of_today(serving: Serving) -> None:
    async with serving(domain_options=OPTIONS) as server:
        await store(server, ("opened", b'{"name": "Ada"}'), ("looked-at", b"{}"))
        body = {"account_id": ID, "amount": 5}
        answer = await (await server.api.post("/commands/deposit-money", json=body)).json()
        assert [event["data"] for event in answer["events"]] == [{"amount": 5}]
        page = await (await server.api.get(f"/streams/account-{ID}")).json()
        assert [(event["type"], event["data"]) for event in page["events"]] == [
            ("opened", {"name": "Ada"}),
            ("looked-at", {}),
            ("money-deposited", {"amount": 5}),
        ]
        aggregate = await (await server.api.get(f"/aggregates/account/{ID}")).json()
        assert (aggregate["version"], aggregate["state"]) == (3, {"owner": "Ada", "balance": 5})
        found = await (await server.api.get("/events?type=opened")).json()
        assert [event["position"] for event in found["events"]] == [1]


async def test_unreadable_content_is_shown_as_base64(serving: Serving) -> None:
    async with serving() as server:
        await store(server, ("sealed", b"\x00\xff"))
        page = await (await server.api.get("/events")).json()
        assert (page["events"][0]["data"], page["events"][0]["data_base64"]) == (None, "AP8=")
        response = await server.api.get("/events", headers=ACCEPT)
        assert await block(response) == {"retry": "1000"}
        assert '"data_base64":"AP8="' in (await block(response))["data"]


async def test_an_instance_that_cannot_be_read_is_a_problem_of_its_own(serving: Serving) -> None:
    async with serving(domain_options=OPTIONS) as server:
        await store(server, ("opened", b'{"owner": "Ada"}'))
        assert await slug(await server.api.get(f"/aggregates/account/{ID}")) == (
            500,
            "undecodable-event",
        )
        other = {"account_id": str(uuid7()), "owner": "Bea"}
        assert (await server.api.post("/commands/OpenAccount", json=other)).status == 200


async def test_a_client_is_asked_to_come_again_when_newer_code_stored_an_event(
    serving: Serving,
) -> None:
    async with serving() as server:
        await store(server, ("AccountOpened", b'{"owner": "Ada"}'), ("AccountOpened@2", b"{}"))
        body = {"account_id": ID, "amount": 5}
        response = await server.api.post("/commands/deposit-money", json=body)
        answer = await response.json()
        assert await slug(response) == (503, "newer-revision")
        assert (answer["stored"], answer["event_type"]) == (False, "AccountOpened@2")
        assert response.headers["Retry-After"] == "1"
