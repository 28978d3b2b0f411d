"""A subscription over HTTP goes on where it ended, and misses nothing."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from uuid import uuid4

import pytest
from aiohttp import web

from chekov import CheckpointAhead, Event, StreamNotFound
from chekov.client import Client, ReceivedEvent, UnexpectedAnswer, Unreachable
from chekov.client.event_stream import Message, MessageReader
from tests.unit.client.conftest import DOMAIN, answering, asking, cutting
from tests.unit.server.conftest import Account, Deposit, MoneyDeposited, OpenAccount

ACCOUNT = uuid4()
OPEN = OpenAccount(account_id=ACCOUNT, owner="Ada")
STREAM = f"account-{ACCOUNT}"


def deposit(amount: int) -> Deposit:
    return Deposit(account_id=ACCOUNT, amount=amount)


def test_messages_are_cut_out_of_whatever_arrives() -> None:
    text = b"retry: 1000\n\n: here\n\nid: 7\ndata: {\ndata: }\n\nid:8\r\ndata:x\r\n\r\n"
    expected = [Message("", b""), Message("7", b"{\n}"), Message("8", b"x")]
    for size in range(1, len(text) + 1):
        reader = MessageReader()
        found: list[Message] = []
        for start in range(0, len(text), size):
            found += reader.feed(text[start : start + size])
        assert found == expected


async def test_stored_events_come_first_and_new_ones_as_they_are_stored() -> None:
    async with asking() as (client, _):
        await client.dispatch(OPEN)
        await client.dispatch(deposit(1))
        async with aclosing(client.subscribe(MoneyDeposited)) as deposits:
            assert (await anext(deposits)).event.amount == 1
            following = asyncio.ensure_future(anext(deposits))
            await client.dispatch(deposit(2))
            assert (await following).event.amount == 2
        async with aclosing(client.subscribe(after=2)) as later:
            assert (await anext(later)).position == 3


async def test_a_subscription_through_a_bad_network_misses_nothing() -> None:
    seen: list[int] = []
    async with asking() as (client, server), cutting(server) as network:
        await client.dispatch(OPEN)
        network.cut(*(400 + at % 5 * 150 for at in range(20)))
        async with (
            Client(network.url, domain=DOMAIN) as reader,
            aclosing(reader.subscribe(MoneyDeposited)) as deposits,
        ):
            storing = asyncio.create_task(_deposit(client, 60))
            async for item in deposits:
                seen.append(item.event.amount)
                if len(seen) == 60:
                    break
            await storing
        assert not network.cuts
    assert seen == list(range(1, 61))


async def _deposit(client: Client, count: int) -> None:
    for amount in range(1, count + 1):
        await client.dispatch(deposit(amount))


async def test_who_handles_an_event_for_long_goes_on_after_it(
    pass_time: Callable[[float], None],
) -> None:
    async with asking() as (client, server), cutting(server) as network:
        await client.dispatch(OPEN)
        async with (
            Client(network.url, domain=DOMAIN) as reader,
            aclosing(reader.subscribe()) as events,
        ):
            assert (await anext(events)).position == 1
            pass_time(3600)
            await network.close()
            await client.dispatch(deposit(1))
            assert (await anext(events)).position == 2


async def test_a_stream_is_followed_by_version_until_it_is_deleted() -> None:
    async with asking() as (client, server):
        await client.dispatch(OPEN)
        await client.dispatch(deposit(1))
        seen: list[ReceivedEvent[Event]] = []
        async for item in client.subscribe(stream=STREAM, after=1):
            seen.append(item)
            await server.runtime.delete(Account, ACCOUNT)
        assert [item.version for item in seen] == [2]
        with pytest.raises(StreamNotFound):
            await anext(client.subscribe(stream="account-none"))


async def test_a_position_beyond_the_log_is_refused() -> None:
    async with asking() as (client, _):
        await client.dispatch(OPEN)
        with pytest.raises(CheckpointAhead, match="ends at position 1"):
            await anext(client.subscribe(after=9))


async def test_a_service_that_never_comes_back_is_given_up() -> None:
    async def gone(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with answering(gone) as url, Client(url, timeout=0.2) as client:
        with pytest.raises(Unreachable) as given_up:
            await anext(client.subscribe())
    assert given_up.value.stored is False


async def test_messages_that_are_no_events_are_an_error() -> None:
    async def another(_: web.Request) -> web.StreamResponse:
        return web.Response(text="id: 1\ndata: {}\n\n", content_type="text/event-stream")

    async with answering(another) as url, Client(url) as client:
        with pytest.raises(UnexpectedAnswer, match="/events answers 200"):
            await anext(client.subscribe())


async def test_a_service_that_leads_elsewhere_is_not_followed() -> None:
    async def moved(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "https://other.example"})

    async with answering(moved) as url, Client(url) as client:
        with pytest.raises(UnexpectedAnswer, match=r"302 .*leads to https://other\.example"):
            await anext(client.subscribe())
