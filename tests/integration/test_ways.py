"""Commands and events take the ways that the documentation draws, function by function."""

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from chekov import Domain, Runtime, Transaction
from chekov.server import http
from chekov.server.lifecycle import Lifecycle
from chekov.server.metrics import Metrics
from chekov.server.settings import Settings
from tests.integration.engine_domain import Totals, counting
from tests.integration.frames import Frames, Stack, stack_here
from tests.unit.engine.counter_domain import Add, Added, Counter, Seen

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "architecture.md"
COMMITTER = "store/postgres/append/committer.py"
QUEUES = f"{COMMITTER} Committer.append"
MANY = 16

Client = TestClient[Request, Application]


def drawn(title: str) -> Stack:
    """The functions in the block under a title: the first two words of each line."""
    below = PAGE.read_text().partition(f"\n### {title}\n")[2]
    block = re.search(r"```\n(.*?)```", below, re.DOTALL)
    assert block is not None
    return tuple(" ".join(line.split()[:2]) for line in block[1].splitlines())


@pytest.fixture
async def client(dsn: str) -> AsyncGenerator[Client]:
    domain = Domain("counting", aggregates=[Counter])
    metrics, lifecycle = Metrics(domain.commands, []), Lifecycle()
    async with Runtime(domain, store=dsn, observers=[metrics]) as runtime:
        application = http.application(runtime, metrics, None, lifecycle, Settings.read({}))
        async with TestClient(TestServer(application)) as client:
            lifecycle.serve()
            for number in range(MANY):
                await add(client, number)
            yield client


async def add(client: Client, counter: int) -> None:
    answer = await client.post("/commands/Add", json={"counter": str(counter), "amount": 1})
    assert answer.status == 200


async def test_the_way_in_a_quiet_process(client: Client) -> None:
    with Frames(lambda _: False) as frames:
        await add(client, 0)
    assert frames.statements[0] == drawn("A command in a quiet process")


async def test_the_way_in_a_busy_process(client: Client) -> None:
    with Frames(lambda name: name == QUEUES) as frames:
        await asyncio.gather(*(add(client, number) for number in range(MANY)))
    sent = [stack for stack in frames.statements if stack[0].startswith(COMMITTER)]
    assert frames.calls == [drawn("A command in a busy process")]
    assert sent[0] == drawn("A batch of appends")


async def test_the_way_of_an_event_to_its_handlers(dsn: str) -> None:
    stacks: dict[str, Stack] = {}

    async def handled(_: Added) -> None:
        stacks["handler"] = stack_here()

    async def projected(_: Added, transaction: Transaction) -> None:
        stacks["projection"] = stack_here()

    async with Runtime(counting(Seen(handled), Totals(projected)), store=dsn) as runtime:
        await runtime.dispatch(
            Add(counter="a", amount=1), consistency="strong", consistency_timeout=240
        )
    assert stacks["handler"] == drawn("An event to an event handler")
    assert stacks["projection"] == drawn("An event to a projection")
