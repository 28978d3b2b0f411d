"""What a half-built projection answers over HTTP, and what operators see and change."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from chekov import Runtime
from chekov.cli.commands import run
from chekov.server import http
from chekov.server.lifecycle import Lifecycle
from chekov.server.management import Management
from chekov.server.metrics import Metrics
from chekov.server.settings import Settings
from tests.integration.engine_domain import NewTotals, Totals
from tests.integration.test_engine_generations import Gate, add, running
from tests.waiting import until

QUERY = "/queries/totals/total?counter=counter-a"


class Client(NamedTuple):
    runtime: Runtime
    api: TestClient[Request, Application]
    management: TestClient[Request, Application]

    async def metric(self, name: str) -> list[str]:
        page = await (await self.management.get("/metrics")).text()
        return [line for line in page.splitlines() if line.startswith(name)]


@asynccontextmanager
async def serving(runtime: Runtime, token: str = "") -> AsyncGenerator[Client]:
    lifecycle = Lifecycle()
    metrics = Metrics(runtime.domain.commands, [])
    management = Management(runtime.domain, metrics, lifecycle, {}, token)
    async with (
        runtime,
        TestClient(
            TestServer(http.application(runtime, metrics, None, lifecycle, Settings.read({})))
        ) as api,
        TestClient(TestServer(management.application())) as probes,
    ):
        management.runtime = runtime
        lifecycle.serve()
        yield Client(runtime, api, probes)


async def with_history(dsn: str) -> None:
    async with running(dsn) as runtime:
        await add(runtime, 1, 2, 3)


async def test_a_query_of_a_half_built_projection_is_told_how_far_it_is(dsn: str) -> None:
    await with_history(dsn)
    gate = Gate()
    async with serving(running(dsn, Totals(gate))) as client:
        response = await client.api.get(QUERY)
        problem = await response.json()
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        assert problem["type"] == "urn:chekov:problem:projection-building"
        assert (problem["ratio"], problem["seconds_left"]) == (0, None)
        assert (await client.management.get("/readyz")).status == 200
        labels = 'domain="counting",generation="1",subscription="totals",version="1"'
        assert await client.metric("chekov_projection_building_ratio") == [
            f"chekov_projection_building_ratio{{{labels}}} 0.0"
        ]
        gate.open.set()
        response = await client.api.get(QUERY, headers={"X-Min-Position": "3"})
        assert (response.status, await response.json()) == (200, 6)
        await client.runtime.engine.generations.refresh()
        assert await client.metric("chekov_projection_building_ratio") == []


async def test_a_pod_with_a_new_version_is_not_ready_while_the_old_one_is_served(dsn: str) -> None:
    await with_history(dsn)
    gate = Gate()
    async with running(dsn, Totals(), node="old") as old:
        await old.wait(3)
        async with serving(running(dsn, NewTotals(gate), node="new")) as client:
            response = await client.management.get("/readyz")
            assert response.status == 503
            assert (await response.json())["reason"].startswith("building totals 2: 0 %")
            gate.open.set()

            async def ready() -> bool:
                return (await client.management.get("/readyz")).status == 200

            await until(ready)
            assert await (await client.api.get(QUERY)).json() == 6


@pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "9" * 19])
async def test_a_minimum_position_is_a_number(dsn: str, value: str) -> None:
    async with serving(running(dsn, Totals())) as client:
        response = await client.api.get(QUERY, headers={"X-Min-Position": value})
        problem = await response.json()
        assert (response.status, problem["header"]) == (400, "X-Min-Position")


async def test_a_position_that_is_not_reached_in_time_is_unavailable(dsn: str) -> None:
    async with serving(running(dsn, Totals(gate := Gate()))) as client:
        await with_history(dsn)
        headers = {"X-Min-Position": "3", "Prefer": "wait=1"}
        response = await client.api.get(QUERY, headers=headers)
        problem = await response.json()
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        assert problem["type"] == "urn:chekov:problem:projection-behind"
        assert "has not reached position 3 within 1 s" in problem["detail"]
        gate.open.set()


async def test_a_position_beyond_the_log_is_not_waited_for(dsn: str) -> None:
    async with serving(running(dsn, Totals())) as client:
        headers = {"X-Min-Position": str(2**63 - 1), "Prefer": "wait=60"}
        response = await client.api.get(QUERY, headers=headers)
        problem = await response.json()
        assert (response.status, problem["actual"]) == (409, 0)
        assert problem["type"] == "urn:chekov:problem:beyond-the-log"


async def test_a_rebuild_is_begun_cancelled_and_dropped_on_the_management_port(dsn: str) -> None:
    await with_history(dsn)
    async with serving(running(dsn, gated := Totals(gate := Gate(closed_from=100)))) as client:
        await client.runtime.wait(3)
        gate.closed_from = 1
        assert gated.then is gate
        response = await client.management.post("/projections/totals/rebuild")
        assert response.status == 202
        assert await response.json() == {"name": "totals", "version": 1, "generation": 2}
        assert (await client.management.post("/projections/totals/rebuild")).status == 409
        listed = await (await client.management.get("/projections")).json()
        found = {item["generation"]: item for item in listed["projections"]}
        assert (found[1]["state"], found[1]["ratio"]) == ("serving", 1)
        assert (found[2]["state"], found[2]["ratio"], found[2]["target"]) == ("building", 0, 3)
        assert (await client.management.post("/projections/totals/cancel")).status == 200
        drop = "/projections/totals/drop"
        assert (await client.management.post(drop)).status == 400
        assert (await client.management.post(f"{drop}?version=1")).status == 409
        assert (await client.management.post("/projections/sums/rebuild")).status == 404


async def test_changing_a_projection_requires_the_token_that_is_set(dsn: str) -> None:
    async with serving(running(dsn, Totals()), token="secret") as client:
        for action in ("rebuild", "cancel", "drop?version=9"):
            response = await client.management.post(f"/projections/totals/{action}")
            assert response.status == 401, action
        response = await client.management.post(
            "/projections/totals/rebuild", headers={"Authorization": "Bearer secret"}
        )
        assert response.status == 202


async def test_the_command_line_lists_rebuilds_cancels_and_drops(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await with_history(dsn)
    async with running(dsn, Totals()) as runtime:
        await runtime.wait(3)

    async def chekov(*arguments: str) -> Any:
        where = ("--dsn", dsn, "--domain", "counting", "-o", "json")
        status = await asyncio.to_thread(run, ["projections", *arguments, *where])
        printed = capsys.readouterr()
        return json.loads(printed.out) if status == 0 else (status, printed.err)

    def summary(rows: Any) -> list[tuple[int, str]]:
        return [(row["generation"], row["state"]) for row in rows]

    assert summary(await chekov()) == [(1, "serving")]
    assert summary(await chekov("rebuild", "totals")) == [(1, "serving"), (2, "building")]
    assert "is being built" in (await chekov("rebuild", "totals"))[1]
    assert summary(await chekov("cancel", "totals")) == [(1, "serving")]
    assert summary(await chekov("rebuild", "totals"))[1] == (2, "building")
    async with running(dsn, Totals()) as runtime:
        await until(lambda: len(runtime.subscriptions) == 1)
        assert (
            "a process uses"
            in (await chekov("drop", "totals", "--version", "1", "--generation", "2"))[1]
        )
    assert summary(await chekov("drop", "totals", "--version", "1")) == [(2, "serving")]
    assert (await chekov("drop", "totals"))[0] == 2
    assert (await chekov("rebuild"))[0] == 2
