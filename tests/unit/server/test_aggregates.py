"""The state of an instance is read as it is, and as it was."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from yarl import URL

from chekov import Aggregate, Command, Event, Identifier, apply, execute
from tests.unit.server.conftest import ID, Serving, fill, problem, slug


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


class Opened(Event):
    pass


class Open(Command[Opened]):
    box: Identifier[str]


class Box(Aggregate, identity="box"):
    content: Any = None

    @execute
    def open(self, command: Open) -> Iterable[Opened]:
        del command
        yield Opened()

    @apply
    def opened(self, event: Opened) -> None:
        del event
        self.content = CONTENT[0]


CONTENT: list[Any] = [None]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (object(), "cannot be written as JSON"),
        ({"\ud800": 1}, "cannot be written as JSON"),
        ((item for item in ()), "cannot be copied"),
    ],
    ids=["no JSON", "no text", "no copy"],
)
async def test_a_state_without_a_json_form_is_not_acceptable(
    serving: Serving, content: object, fault: str
) -> None:
    CONTENT[0] = content
    async with serving(Box) as server:
        made = await server.api.post("/commands/Open?return=state", json={"box": "1"})
        assert (made.status, (await made.json())["state"]) == (200, None)
        response = await server.api.get("/aggregates/box/1")
        assert fault in str(await problem(response, 406, "unusable-state"))


class Ring(Event):
    pass


class Grow(Command[Ring]):
    number: Identifier[int]


class Tree(Aggregate, identity="tree"):
    @execute
    def grow(self, command: Grow) -> Iterable[Ring]:
        del command
        yield Ring()

    @apply
    def ring(self, event: Ring) -> None:
        pass


@pytest.mark.parametrize(
    "written", ["007", "+7", "7.0", "7e0", " 7", "7 ", "\uff17", "x"], ids=ascii
)
async def test_a_number_has_one_address(serving: Serving, written: str) -> None:
    async with serving(Tree) as server:
        assert (await server.api.post("/commands/Grow", json={"number": 7})).status == 200
        assert (await server.api.get("/aggregates/tree/7")).status == 200
        response = await server.api.get(f"/aggregates/tree/{quote(written)}")
        assert "is not an identifier of tree" in str(
            await problem(response, 400, "malformed-request")
        )


@pytest.mark.parametrize("written", [ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}"])
async def test_a_uuid_has_one_address_but_for_the_case(serving: Serving, written: str) -> None:
    async with serving() as server:
        await fill(server)
        assert (await server.api.get(f"/aggregates/account/{ID.upper()}")).status == 200
        response = await server.api.get(f"/aggregates/account/{quote(written)}")
        await problem(response, 400, "malformed-request")


async def test_an_instance_may_be_called_anything_else(serving: Serving) -> None:
    CONTENT[0] = None
    async with serving(Box) as server:
        for name in ("{a}", "a/b", "a b", "%", "\u65e5\u672c"):
            assert (await server.api.post("/commands/Open", json={"box": name})).status == 200
            for path in ("/aggregates/box/", "/streams/box-"):
                response = await server.api.get(URL(path + quote(name, safe=""), encoded=True))
                assert response.status == 200, name


@pytest.mark.parametrize("written", ["a ", "\u00a0a", "e\u0301"], ids=ascii)
async def test_a_text_that_looks_like_another_is_refused(serving: Serving, written: str) -> None:
    async with serving(Box) as server:
        made = await server.api.post("/commands/Open", json={"box": written})
        assert (await problem(made, 400, "invalid-command"))["path"] == "$.box"
        response = await server.api.get(f"/aggregates/box/{quote(written)}")
        await problem(response, 400, "malformed-request")
        batch = await server.api.post(
            "/commands",
            data=json.dumps({"command": "Open", "data": {"box": written}}),
            headers={"Content-Type": "application/x-ndjson"},
        )
        assert "invalid-command" in await batch.text()
