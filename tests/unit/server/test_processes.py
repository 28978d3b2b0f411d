"""The management port shows open instances of process managers, and metrics count them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from aiohttp.test_utils import TestClient, TestServer

from chekov import Retry, Runtime
from chekov.engine.subscriptions.keys import subscription_key
from chekov.server.lifecycle import Lifecycle
from chekov.server.management import Management
from chekov.server.metrics import Metrics
from chekov.store.memory import MemoryStore
from tests.unit.engine.processes.test_process_managers import request
from tests.unit.engine.processes.transfers import Deposit, Withdraw, domain
from tests.unit.server.conftest import Client
from tests.waiting import until

LABELS = 'domain="bank",partition="0",subscription="transfer",version="1"'


@asynccontextmanager
async def managed(token: str = "") -> AsyncGenerator[tuple[Runtime, Client]]:
    metrics = Metrics(domain.commands, [subscription_key(domain, domain.handlers[0])])
    lifecycle = Lifecycle()
    management = Management(domain, metrics, lifecycle, {}, token)
    retry = Retry(attempts=1, first=0.001)
    async with (
        TestClient(TestServer(management.application())) as client,
        Runtime(domain, store=MemoryStore(), retry=retry) as runtime,
    ):
        management.runtime = runtime
        lifecycle.serve()
        yield runtime, client


async def sending(runtime: Runtime) -> list[str]:
    found = await runtime.processes.list()
    return [command.command for item in found for command in item.commands]


async def is_depositing(runtime: Runtime) -> bool:
    return await sending(runtime) == ["Deposit"]


async def test_open_instances_are_shown_and_counted() -> None:
    async with managed() as (runtime, client):
        assert await (await client.get("/processes")).json() == {"processes": []}
        await runtime.dispatch(Deposit(account="a", amount=10))
        await request(runtime, target="broken", amount=1)
        await until(lambda: is_depositing(runtime))
        [shown] = (await (await client.get("/processes/transfer")).json())["processes"]
        assert (shown["instance"], shown["state"]["step"]) == ("t", "depositing")
        assert [item["command"] for item in shown["commands"]] == ["Deposit"]
        assert [item["timer"] for item in shown["timers"]] == ["TooLate"]
        page = await (await client.get("/processes?after=t&limit=5")).json()
        assert page == {"processes": []}
        text = await (await client.get("/metrics")).text()
        assert f"chekov_process_instances{{{LABELS}}} 1.0" in text
        assert f"chekov_outbox_pending{{{LABELS}}} 1.0" in text
        assert f"chekov_outbox_oldest_seconds{{{LABELS}}} " in text
        assert f"chekov_timers_overdue_seconds{{{LABELS}}} 0.0" in text


async def test_scheduled_commands_that_were_refused_are_counted() -> None:
    async with managed() as (runtime, client):
        await runtime.schedule(Withdraw(account="a", amount=5), after=timedelta(0))

        async def is_refused() -> bool:
            return any(item.error for item in await runtime.scheduled.list())

        await until(is_refused)
        text = await (await client.get("/metrics")).text()
        assert 'chekov_scheduled_refused{domain="bank"} 1.0' in text


async def test_an_unknown_process_manager_and_parameter_are_refused() -> None:
    async with managed() as (_, client):
        assert (await client.get("/processes/transfers")).status == 404
        assert (await client.get("/processes?state=open")).status == 400


async def test_releasing_needs_the_token() -> None:
    async with managed("secret") as (_, client):
        assert (await client.post("/processes/transfer/release")).status == 401
        headers = {"Authorization": "Bearer secret"}
        answer = await client.post("/processes/transfer/release?instance=t", headers=headers)
        assert await answer.json() == {"released": 0}
        discard = "/processes/transfer/discard?reason=why"
        assert (await client.post(discard)).status == 401
        answer = await client.post(discard, headers=headers)
        assert await answer.json() == {"discarded": 0}
        answer = await client.post("/processes/transfer/discard?instance=t", headers=headers)
        assert answer.status == 400
        assert "expected why" in await answer.text()
        shown = await client.get("/processes/transfer/discarded?after=0&limit=5", headers=headers)
        assert await shown.json() == {"discarded": []}
        assert (
            await client.get("/processes/transfer/discarded?after=x", headers=headers)
        ).status == 400
