"""Many commands over one connection are executed once each, whatever happens to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from chekov import (
    ConsistencyTimeout,
    Expected,
    InvalidArgument,
    InvalidCommand,
    InvalidConsistency,
    WrongExpectedVersion,
)
from chekov.client import Client, Dispatch, Outcome, PlainCommand, Unauthorized, Unreachable
from tests.unit.client.conftest import DOMAIN, answering, asking, cutting, problem
from tests.unit.server.conftest import Deposit, MoneyDeposited, NotOpen, OpenAccount

RESULT: dict[str, object] = {
    "stream": "account-1",
    "version": 1,
    "position": 1,
    "correlation_id": str(uuid4()),
    "events": [],
}
ACCOUNT = uuid4()
OPEN = OpenAccount(account_id=ACCOUNT, owner="Ada")


def deposit(amount: int) -> Deposit:
    return Deposit(account_id=ACCOUNT, amount=amount)


async def test_each_command_has_an_outcome_in_order() -> None:
    correlation = uuid4()
    other = Deposit(account_id=uuid4(), amount=1)
    plain = PlainCommand("deposit-money", {"account_id": ACCOUNT, "amount": 4})
    async with asking() as (client, _):
        batch = client.dispatch_all([OPEN, deposit(3), other, plain], correlation_id=correlation)
        outcomes = [outcome async for outcome in batch]
    assert [outcome.command for outcome in outcomes] == [OPEN, deposit(3), other, plain]
    opened, deposited, refused, last = outcomes
    assert opened.result is not None
    assert opened.result.correlation_id == correlation
    assert deposited.result is not None
    assert deposited.result.events == [MoneyDeposited(amount=3)]
    assert deposited.result.command_id == deposited.command_id
    assert refused.result is None
    assert isinstance(refused.error, NotOpen)
    assert last.result is not None
    assert last.result.version == 3


async def test_each_command_may_have_options_of_its_own() -> None:
    cause, correlation, id_ = uuid4(), uuid4(), uuid4()
    commands: list[OpenAccount | Dispatch] = [
        OPEN,
        Dispatch(deposit(3), expected_version=0),
        Dispatch(
            deposit(4), command_id=id_, correlation_id=correlation, causation_id=cause,
            metadata={"tenant": "blue"}, expected_version=1,
        ),
        Dispatch(deposit(4), command_id=id_, expected_version=Expected.STREAM_EXISTS),
        Dispatch(deposit(5), returns="everything", consistency="strong", consistency_timeout=30),
        Dispatch(deposit(6), returns="version", consistency=["welcome"], consistency_timeout=0.5),
    ]  # fmt: skip
    async with asking() as (client, _):
        outcomes = [outcome async for outcome in client.dispatch_all(commands)]
    opened, refused, given, again, strong, last = outcomes
    assert opened.error is None
    assert isinstance(refused.error, WrongExpectedVersion)
    assert refused.result is None
    assert given.command == deposit(4)
    assert given.result is not None
    assert (given.command_id, given.result.correlation_id) == (id_, correlation)
    metadata = given.result.received[0].metadata
    assert (metadata["tenant"], metadata["$caused_by"]) == ("blue", str(cause))
    assert again.result is not None
    assert again.result.repeated
    assert strong.result is not None
    assert (strong.error, strong.result.state.balance) == (None, 9)
    assert last.result is not None
    assert (last.result.version, len(last.result.received)) == (4, 0)


async def test_what_cannot_be_expected_ends_the_batch() -> None:
    async with asking() as (client, _):
        for wrong in (
            Dispatch(OPEN, expected_version=-7),
            Dispatch(OPEN, consistency="soon"),  # pyright: ignore[reportArgumentType]
            Dispatch(OPEN, metadata={"a": object()}),
        ):
            with pytest.raises((InvalidArgument, InvalidConsistency, InvalidCommand)):
                await anext(client.dispatch_all([wrong]))


async def test_a_command_that_was_not_handled_in_time_has_a_result_and_an_error() -> None:
    async with asking() as (client, server):
        server.welcome.open.clear()
        late = Dispatch(OPEN, consistency="strong", consistency_timeout=0)
        (outcome,) = [outcome async for outcome in client.dispatch_all([late])]
        server.welcome.open.set()
    assert isinstance(outcome.error, ConsistencyTimeout)
    assert outcome.result is not None
    assert outcome.result.version == 1


async def test_a_batch_of_nothing_sends_nothing() -> None:
    async with Client("http://nobody.invalid") as client:
        assert [outcome async for outcome in client.dispatch_all([])] == []


async def test_commands_are_sent_as_they_are_made() -> None:
    done = asyncio.Queue[Outcome]()

    async def one_after_another() -> AsyncIterator[OpenAccount | Deposit]:
        yield OPEN
        for amount in range(1, 4):
            outcome = await done.get()
            assert outcome.result is not None
            assert outcome.result.version == amount
            yield deposit(amount)

    async with asking() as (client, _):
        async for outcome in client.dispatch_all(one_after_another()):
            done.put_nowait(outcome)
        assert (await client.load("account", ACCOUNT)).version == 4


async def test_a_batch_through_a_bad_network_is_executed_once() -> None:
    count = 2000
    async with asking() as (client, server), cutting(server) as network:
        await client.dispatch(OPEN)
        network.cut(0, 100, 5_000, 150_000, 1, 300_000, 40)
        async with Client(network.url, domain=DOMAIN) as sender:
            batch = sender.dispatch_all(deposit(1) for _ in range(count))
            outcomes = [outcome async for outcome in batch]
        loaded = await client.load("account", ACCOUNT)
    assert len(outcomes) == count
    versions = [outcome.result.version for outcome in outcomes if outcome.result is not None]
    assert versions == list(range(2, count + 2))
    assert loaded.state["balance"] == count
    assert not network.cuts


async def test_commands_that_a_process_no_longer_takes_go_to_the_next() -> None:
    seen: list[list[UUID]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        lines = [json.loads(line) for line in (await request.read()).splitlines()]
        seen.append([UUID(line["id"]) for line in lines])
        answers = [
            json.dumps(
                {
                    "stream": "account-1",
                    "version": number,
                    "position": number,
                    "command_id": line["id"],
                    "correlation_id": line["id"],
                    "events": [],
                }
            )
            for number, line in enumerate(lines, 1)
        ]
        if len(seen) == 1:
            draining = problem("draining", 503, stored=False).text
            assert draining is not None
            answers = [answers[0], draining, draining]
        return web.Response(text="".join(f"{line}\n" for line in answers))

    async with answering(answer) as url, Client(url) as client:
        batch = client.dispatch_all([deposit(1), deposit(2), deposit(3)])
        outcomes = [outcome async for outcome in batch]
    assert all(outcome.result is not None for outcome in outcomes)
    assert seen[1] == seen[0][1:] == [outcome.command_id for outcome in outcomes[1:]]


async def test_a_batch_that_ends_while_nothing_waits_goes_on_with_the_next_command() -> None:
    ended = asyncio.Event()

    async def rarely() -> AsyncIterator[Deposit]:
        yield deposit(1)
        await ended.wait()
        yield deposit(2)

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        identifier = json.loads(await request.content.readline())["id"]
        stored = {"stream": "account-1", "version": 1, "position": 1}
        ids = {"command_id": identifier, "correlation_id": identifier}
        await response.write(json.dumps(stored | ids).encode() + b"\n")
        timed_out = problem("request-timeout", 408).text
        assert timed_out is not None
        await response.write(timed_out.encode() + b"\n")
        try:
            await request.read()  # until the client ends its part
        finally:
            ended.set()
        return response

    # There is no time for another attempt, so the end of the first connection must be none.
    async with answering(answer) as url, Client(url, timeout=0.01) as client:
        outcomes = [outcome async for outcome in client.dispatch_all(rarely())]
    assert all(outcome.result is not None for outcome in outcomes)
    assert [outcome.command for outcome in outcomes] == [deposit(1), deposit(2)]


async def test_what_was_taken_is_answered_before_an_error_of_the_commands_is_raised() -> None:
    def commands() -> list[OpenAccount | PlainCommand]:
        return [OPEN, PlainCommand("deposit-money", {"amount": object()})]

    async with asking() as (client, _):
        batch = client.dispatch_all(commands())
        assert (await anext(batch)).command == OPEN
        with pytest.raises(InvalidCommand):
            await anext(batch)


async def test_a_batch_may_be_left_before_its_end() -> None:
    async with asking() as (client, _):
        batch = client.dispatch_all([OPEN, *map(deposit, range(1, 1000))])
        assert (await anext(batch)).command == OPEN
        await batch.aclose()


async def test_a_batch_that_is_refused_as_a_whole_is_an_error() -> None:
    async def answer(_: web.Request) -> web.Response:
        return problem("unauthorized", 401)

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(Unauthorized):
            await anext(client.dispatch_all([OPEN]))


@pytest.mark.parametrize("answered_before", [0, 1])
async def test_a_command_that_comes_late_is_sent_again_too(
    answered_before: int, pass_time: Callable[[float], None]
) -> None:
    async def commands() -> AsyncIterator[OpenAccount | Deposit]:
        if answered_before:
            yield OPEN
            assert (await answered.get()).result is not None
        await network.close()
        pass_time(3600)
        network.cut(0)
        yield deposit(1)

    answered = asyncio.Queue[Outcome]()
    async with asking() as (client, server), cutting(server) as network:
        if not answered_before:
            await client.dispatch(OPEN)
        async with Client(network.url, domain=DOMAIN) as sender:
            async for outcome in sender.dispatch_all(commands()):
                answered.put_nowait(outcome)
                assert outcome.error is None
        assert (await client.load("account", ACCOUNT)).version == 2


async def test_a_command_whose_answer_is_lost_may_be_executed_after_others_were_answered() -> None:
    calls = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls > 1:
            return problem("overloaded", 429, retry_after="3600")
        response = web.StreamResponse()
        await response.prepare(request)
        ids = [json.loads(await request.content.readline())["id"] for _ in range(2)]
        await response.write(json.dumps({**RESULT, "command_id": ids[0]}).encode() + b"\n")
        await first.wait()
        assert request.transport is not None
        request.transport.abort()
        return response

    first = asyncio.Event()
    async with answering(answer) as url, Client(url) as client:
        batch = client.dispatch_all([deposit(1), deposit(2)])
        assert (await anext(batch)).result is not None
        first.set()
        with pytest.raises(Unreachable, match="may have been executed") as unknown:
            await anext(batch)
    assert unknown.value.stored is None


async def test_a_batch_without_an_answer_is_given_up() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with answering(answer) as url, Client(url, timeout=0.2) as client:
        with pytest.raises(Unreachable) as given_up:
            await anext(client.dispatch_all([OPEN]))
    assert given_up.value.stored is None
