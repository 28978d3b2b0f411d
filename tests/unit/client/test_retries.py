"""A call is sent again until it is answered or its time is over, and a command executed once."""

import asyncio
import socket
from uuid import uuid4

import pytest
from aiohttp import web

from chekov import CommandTimeout, Draining, Overloaded, RateLimited, StoreUnavailable
from chekov.client import Client, PlainCommand, Unreachable
from tests.unit.client.conftest import DOMAIN, answering, asking, cutting, problem
from tests.unit.server.conftest import Deposit, OpenAccount

ACCOUNT = uuid4()
OPEN = OpenAccount(account_id=ACCOUNT, owner="Ada")
LONG = "3600"
RESULT: dict[str, object] = {
    "stream": "account-1",
    "version": 1,
    "position": 1,
    "command_id": str(uuid4()),
    "correlation_id": str(uuid4()),
    "events": [],
}


async def test_a_command_whose_answer_is_lost_is_executed_once() -> None:
    async with asking() as (_, server), cutting(server) as network:
        async with Client(network.url, domain=DOMAIN) as client:
            network.cut(0)
            opened = await client.dispatch(OPEN)
            for amount in range(1, 21):
                async with Client(network.url, domain=DOMAIN) as another:
                    network.cut(0, 30, 200)  # before, in the headers and in the content
                    await another.dispatch(Deposit(account_id=ACCOUNT, amount=amount))
            loaded = await client.load("account", ACCOUNT)
        stored = [item async for item in server.runtime.store.read_all(after=0)]
    assert opened.repeated
    assert len(stored) == 21
    assert loaded.state["balance"] == sum(range(1, 21))
    assert network.connections >= 4 * 20


async def test_many_commands_through_a_bad_network_are_executed_once_each() -> None:
    async with asking() as (direct, server), cutting(server) as network:
        await direct.dispatch(OPEN)
        network.cut(*(at % 7 * 60 for at in range(60)))
        async with Client(network.url, domain=DOMAIN) as client:
            results = await asyncio.gather(
                *(client.dispatch(Deposit(account_id=ACCOUNT, amount=1)) for _ in range(40))
            )
        loaded = await direct.load("account", ACCOUNT)
    assert loaded.state["balance"] == 40
    assert loaded.version == 41
    assert sorted(result.version for result in results) == list(range(2, 42))
    assert not network.cuts


@pytest.mark.parametrize(
    ("slug", "status"),
    [("overloaded", 429), ("rate-limited", 429), ("draining", 503), ("store-unavailable", 503)],
)
async def test_a_service_that_cannot_now_is_asked_again_under_the_same_id(
    slug: str, status: int
) -> None:
    ids: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        ids.append(request.headers["Idempotency-Key"])
        if len(ids) < 3:
            return problem(slug, status, stored=False)
        return web.json_response(RESULT)

    async with answering(answer) as url, Client(url) as client:
        assert (await client.dispatch(OPEN)).version == 1
    assert len(ids) == 3
    assert len(set(ids)) == 1


@pytest.mark.parametrize(
    ("slug", "status", "error"),
    [
        ("overloaded", 429, Overloaded),
        ("rate-limited", 429, RateLimited),
        ("draining", 503, Draining),
        ("store-unavailable", 503, StoreUnavailable),
        ("timed-out", 504, CommandTimeout),
    ],
)
async def test_a_problem_that_lasts_longer_than_the_call_is_raised(
    slug: str, status: int, error: type[Exception]
) -> None:
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return problem(slug, status, stored=False, retry_after=LONG)

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(error, match=f"detail of {slug}"):
            await client.dispatch(OPEN)
    assert asked == 1


async def test_what_may_have_been_executed_is_said_so() -> None:
    calls = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        if calls == 1:
            assert request.transport is not None
            request.transport.abort()
        return problem("overloaded", 429, retry_after=LONG)

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(Unreachable, match="may have been executed") as unknown:
            await client.dispatch(OPEN)
    assert unknown.value.stored is None
    assert unknown.value.attempts == 2
    assert isinstance(unknown.value.__cause__, Overloaded)


async def test_a_store_that_may_have_stored_it_is_uncertain_too() -> None:
    async def answer(_: web.Request) -> web.Response:
        return problem("store-unavailable", 503, stored=None, retry_after=LONG)

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(Unreachable) as unknown:
            await client.dispatch(OPEN)
    assert unknown.value.stored is None


async def test_nothing_is_executed_where_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with Client(url, timeout=0.2) as client:
            with pytest.raises(Unreachable, match="gave no answer in") as nobody:
                await client.dispatch(OPEN)
    assert nobody.value.stored is False


async def test_a_service_that_hangs_is_asked_again() -> None:
    calls = 0
    never = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        if calls == 1:
            await never.wait()
        return web.json_response(RESULT)

    async with answering(answer) as url, Client(url, attempt_timeout=0.2) as client:
        assert (await client.dispatch(OPEN)).version == 1
        never.set()
    assert calls >= 2


async def test_a_proxy_without_a_service_behind_it_is_asked_again() -> None:
    calls = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        if calls < 3:
            return web.Response(status=502, text="<html>Bad gateway</html>")
        return web.json_response(RESULT)

    async with answering(answer) as url, Client(url) as client:
        assert (await client.dispatch(PlainCommand("Any", {}))).version == 1
    assert calls == 3
