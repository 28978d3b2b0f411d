"""Each request has an id, by which its sender and the log know it."""

import logging

import pytest
from aiohttp import ClientResponse

from chekov.telemetry import logs
from tests.unit.server.conftest import ID, OPEN, Serving, problem

MADE = 36


async def test_the_id_of_a_request_comes_back(serving: Serving) -> None:
    async with serving() as server:
        given = {"X-Request-Id": "edge-7f3a:1/2"}
        answers: list[ClientResponse] = [
            await server.api.post("/commands/OpenAccount", json=OPEN, headers=given),
            await server.api.get("/streams", headers=given),
            await server.api.get("/nowhere", headers=given),
            await server.api.post("/commands", data=b"", headers=given),
            await server.api.head("/events", headers={**given, "Accept": "text/event-stream"}),
            await server.management.get("/subscriptions", headers=given),
        ]
        assert [item.headers["X-Request-ID"] for item in answers] == ["edge-7f3a:1/2"] * 6
        document = await problem(answers[2], 404, "not-found")
        assert document["request_id"] == "edge-7f3a:1/2"


@pytest.mark.parametrize("given", ["", "two words", "a" * 129, "<script>", "{}"])
async def test_an_id_that_cannot_be_used_is_replaced(serving: Serving, given: str) -> None:
    async with serving() as server:
        response = await server.api.get("/streams", headers={"X-Request-Id": given})
        assert response.status == 200
        assert len(response.headers["X-Request-ID"]) == MADE


async def test_requests_without_an_id_get_one_each(serving: Serving) -> None:
    async with serving() as server:
        ids = {(await server.api.get("/streams")).headers["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3


async def test_the_log_names_the_request(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.addFilter(logs.add_ids)
    async with serving() as server:
        with caplog.at_level(logging.ERROR):
            await server.api.post(
                "/commands/Break", json={"account_id": ID}, headers={"X-Request-Id": "edge-1"}
            )
    caplog.handler.removeFilter(logs.add_ids)
    assert [vars(record).get("request_id") for record in caplog.records] == ["edge-1"]
