"""Forgetting over HTTP: states and answers in plain, streams sealed, and gone afterwards."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from aiohttp.test_utils import TestClient, TestServer

from chekov import MemoryStore, Runtime
from chekov.server import http
from chekov.server.lifecycle import Lifecycle
from chekov.server.metrics import Metrics
from chekov.server.settings import Settings
from tests.unit.server.conftest import Client, Serving
from tests.unit.store.people import clubs

ADA = UUID(int=1)
JOIN = {"club": "a", "member": str(ADA), "name": "Ada", "email": "ada@example"}


@asynccontextmanager
async def club_api() -> AsyncGenerator[Client]:
    domain = clubs()
    metrics = Metrics(domain.commands, ())
    lifecycle = Lifecycle()
    async with Runtime(domain, store=MemoryStore(), observers=[metrics]) as runtime:
        app = http.application(runtime, metrics, None, lifecycle, Settings.read({}))
        async with TestClient(TestServer(app)) as api:
            lifecycle.serve()
            yield api


async def test_the_answer_of_a_command_is_plain_and_its_stream_is_sealed() -> None:
    async with club_api() as api:
        answer = await (await api.post("/commands/Join", json=JOIN)).json()
        assert answer["events"][0]["data"]["name"] == "Ada"
        for path in ("/streams/club-a", "/events"):
            text = await (await api.get(path)).text()
            assert '"Ada"' not in text
            assert "$sealed" in text


async def test_forgetting_empties_the_state_and_can_be_repeated() -> None:
    async with club_api() as api:
        await api.post("/commands/Join", json=JOIN)
        await api.post("/commands/Found", json={"club": "a", "founder": "Grace"})
        state = (await (await api.get("/aggregates/club/a")).json())["state"]
        assert state == {"founder": "Grace", "names": {str(ADA): "Ada"}}
        for subject in (str(ADA), "club-a", str(ADA), "nobody"):
            response = await api.delete(f"/subjects/{subject}")
            assert (response.status, await response.read()) == (204, b"")
        state = (await (await api.get("/aggregates/club/a")).json())["state"]
        assert state == {"founder": None, "names": {str(ADA): None}}


async def test_it_is_described_and_only_there_where_something_is_personal(
    serving: Serving,
) -> None:
    async with club_api() as api:
        document = await (await api.get("/openapi.json")).json()
        assert "delete" in document["paths"]["/subjects/{subject}"]
        assert document["components"]["schemas"]["Founded"]["properties"]["founder"] == {
            "anyOf": [{"type": "string"}, {"type": "null"}]
        }
    async with serving() as server:
        assert (await server.api.delete("/subjects/x")).status == 404
        document = await (await server.api.get("/openapi.json")).json()
        assert "/subjects/{subject}" not in document["paths"]


async def test_a_subject_may_be_any_text() -> None:
    async with club_api() as api:
        assert (await api.delete("/subjects/a%2Fb%20c%00")).status == 204
