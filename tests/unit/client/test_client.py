"""`Client` is to a service what `Runtime` is within a process."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from chekov import (
    CommandIdReused,
    ConsistencyTimeout,
    Domain,
    EventFilter,
    Expected,
    HandlerFailed,
    InvalidArgument,
    InvalidCommand,
    Rejected,
    StreamNotFound,
    Undecodable,
    UnknownCommand,
    WrongExpectedVersion,
)
from chekov.client import (
    Client,
    CommandResult,
    ManagementClient,
    PlainCommand,
    ProblemError,
    ReceivedEvent,
    Unauthorized,
    UnexpectedAnswer,
)
from chekov.errors import InvalidConsistency
from tests.unit.client.conftest import DOMAIN, answering, asking, problem, url_of
from tests.unit.server.conftest import (
    Account,
    AccountOpened,
    Break,
    Deposit,
    MoneyDeposited,
    NotOpen,
    OpenAccount,
    running,
)

ACCOUNT = uuid4()
OPEN = OpenAccount(account_id=ACCOUNT, owner="Ada")


def deposit(amount: int) -> Deposit:
    return Deposit(account_id=ACCOUNT, amount=amount)


async def test_a_command_is_executed_and_answered_with_its_events() -> None:
    correlation = uuid4()
    async with asking() as (client, server):
        result = await client.dispatch(
            OPEN, correlation_id=correlation, metadata={"tenant": "blåå 🦊"}
        )
        stored = [item async for item in server.runtime.store.read_all(after=0)]
    assert result.events == [AccountOpened(owner="Ada")]
    assert (result.stream, result.version, result.position) == (f"account-{ACCOUNT}", 1, 1)
    assert result.correlation_id == correlation
    [received] = result.received
    assert received.causation_id == result.command_id
    assert received.metadata["tenant"] == "blåå 🦊"
    assert (received.id, received.time) == (stored[0].id, stored[0].time)


async def test_without_the_domain_everything_is_plain() -> None:
    async with asking() as (_, server), Client(url_of(server)) as client:
        command = PlainCommand("OpenAccount", {"account_id": ACCOUNT, "owner": "Ada"})
        result: CommandResult[Any] = await client.dispatch(command, returns="state")
        loaded = await client.load("account", ACCOUNT)
        [event] = [event async for event in client.events()]
        assert result.state == loaded.state == {"owner": "Ada", "balance": 0}
        assert event.fields == {"owner": "Ada"}
        with pytest.raises(Undecodable, match="was not given its domain"):
            _ = event.event
        with pytest.raises(InvalidArgument, match="this client has no domain"):
            await anext(client.events(AccountOpened))


async def test_a_command_is_executed_once_under_its_id() -> None:
    command_id = uuid4()
    async with asking() as (client, _):
        await client.dispatch(OPEN)
        first = await client.dispatch(deposit(3), command_id=command_id)
        again = await client.dispatch(deposit(3), command_id=command_id)
        assert (first.repeated, again.repeated) == (False, True)
        assert again.events == first.events == [MoneyDeposited(amount=3)]
        with pytest.raises(CommandIdReused) as reused:
            await client.dispatch(OPEN, command_id=command_id)
        assert reused.value.command_id == command_id


async def test_a_refusal_is_the_domains_own() -> None:
    async with asking() as (client, _):
        with pytest.raises(NotOpen, match="There is no such account"):
            await client.dispatch(deposit(1))
        await client.dispatch(OPEN)
        with pytest.raises(Rejected, match="already open") as refused:
            await client.dispatch(OPEN)
        assert type(refused.value) is Rejected


async def test_a_refusal_of_an_unknown_class_keeps_its_fields() -> None:
    async def refuse(_: web.Request) -> web.Response:
        return problem("rejected", 422, rejection="full", left=3, correlation_id="x")

    async with answering(refuse) as url, Client(url) as client:
        with pytest.raises(Rejected, match="detail of rejected") as refused:
            await client.dispatch(OPEN)
    assert vars(refused.value)["left"] == 3
    assert "correlation_id" not in vars(refused.value)


async def test_errors_are_those_of_a_runtime() -> None:
    async with asking() as (client, _):
        await client.dispatch(OPEN)
        with pytest.raises(WrongExpectedVersion) as conflict:
            await client.dispatch(deposit(1), expected_version=7)
        assert (conflict.value.expected, conflict.value.actual) == (7, 1)
        with pytest.raises(WrongExpectedVersion):
            await client.dispatch(OPEN, expected_version=Expected.NO_STREAM)
        await client.dispatch(deposit(1), expected_version=Expected.ANY)
        await client.dispatch(deposit(1), expected_version=Expected.STREAM_EXISTS)
        with pytest.raises(InvalidCommand) as invalid:
            await client.dispatch(PlainCommand("deposit-money", {"account_id": ACCOUNT}))
        assert invalid.value.path == "$.amount"
        with pytest.raises(UnknownCommand) as unknown:
            await client.dispatch(PlainCommand("Close", {}))
        assert unknown.value.command == "Close"
        with pytest.raises(StreamNotFound):
            await client.load(Account, uuid4())
        with pytest.raises(WrongExpectedVersion) as missing:
            await client.load(Account, ACCOUNT, at=9)
        assert (missing.value.expected, missing.value.actual) == (9, 3)
        with pytest.raises(ProblemError) as failed:
            await client.dispatch(Break(account_id=ACCOUNT))
        assert failed.value.problem.slug == "internal-error"


async def test_what_cannot_be_sent_is_refused_with_a_sentence() -> None:
    async with asking() as (client, _):
        with pytest.raises(InvalidArgument, match="expected_version=-7"):
            await client.dispatch(OPEN, expected_version=-7)
        with pytest.raises(InvalidConsistency):
            await client.dispatch(OPEN, consistency="weak")
        with pytest.raises(InvalidCommand, match="cannot be written as JSON"):
            await client.dispatch(PlainCommand("OpenAccount", {"owner": object()}))
        with pytest.raises(InvalidArgument, match="one of at, after and cron"):
            await client.schedule(OPEN)
        with pytest.raises(InvalidArgument, match="with a zone"):
            await client.load(Account, ACCOUNT, at=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidArgument, match="is not open"):
        await client.dispatch(OPEN)
    with pytest.raises(InvalidArgument, match="expected the address of a service"):
        Client("shop.example")


async def test_a_state_is_loaded_as_its_class_now_and_as_it_was() -> None:
    async with asking() as (client, _):
        await client.dispatch(OPEN)
        await client.dispatch(deposit(3))
        loaded = await client.load(Account, ACCOUNT)
        before = await client.load(Account, ACCOUNT, at=1)
        now = await client.load(Account, ACCOUNT, at=datetime.now(UTC) + timedelta(hours=1))
        result = await client.dispatch(deposit(1), returns="state")
    assert isinstance(loaded.state, Account)
    assert (loaded.state.balance, before.state.balance, now.state.balance) == (3, 0, 3)
    assert (loaded.stream, loaded.version) == (f"account-{ACCOUNT}", 2)
    assert isinstance(result.state, Account)
    assert result.state.balance == 4


async def test_a_command_is_answered_with_what_is_asked_for() -> None:
    async with asking() as (client, _):
        await client.dispatch(OPEN)
        everything = await client.dispatch(deposit(3), returns="everything")
        version = await client.dispatch(deposit(1), returns="version")
        state = await client.dispatch(deposit(1), returns="state")
    assert everything.events == [MoneyDeposited(amount=3)]
    assert everything.state == Account(owner="Ada", balance=3)
    assert (version.version, version.events, version.state) == (3, [], None)
    assert (state.events, state.state.balance) == ([], 5)


async def test_a_command_waits_for_handlers() -> None:
    async with asking() as (client, server):
        await client.dispatch(OPEN, consistency="strong")
        server.welcome.open.clear()
        with pytest.raises(ConsistencyTimeout) as late:
            await client.dispatch(
                OpenAccount(account_id=uuid4(), owner="Bob"),
                consistency=["welcome"],
                consistency_timeout=0.5,
            )
        assert (late.value.position, late.value.behind) == (2, ("welcome",))


async def test_a_handler_that_fails_is_named() -> None:
    async with asking({"CHEKOV_RETRY_ATTEMPTS": "1"}) as (client, server):
        server.welcome.failure = "no letters left"
        with pytest.raises(HandlerFailed) as failed:
            await client.dispatch(OPEN, consistency="strong", consistency_timeout=240)
        assert failed.value.failed == ("welcome",)


@pytest.mark.parametrize("kind", [int, "MoneyDeposited"])
async def test_types_that_are_not_of_the_domain_are_refused(kind: Any) -> None:
    async with Client("http://127.0.0.1:1", domain=DOMAIN) as client:
        with pytest.raises(InvalidArgument, match="expected event types of the domain"):
            await anext(client.events(kind))


async def test_events_are_read_by_type_stream_and_filter_both_ways() -> None:
    other = uuid4()
    async with asking() as (client, _):
        await client.dispatch(OPEN)
        await client.dispatch(OpenAccount(account_id=other, owner="Bob"))
        for amount in (1, 2, 3):
            await client.dispatch(deposit(amount))
        amounts = [item.event.amount async for item in client.events(MoneyDeposited)]
        newest = [item.position async for item in client.events(backwards=True)]
        few = [item.position async for item in client.events(MoneyDeposited, limit=2)]
        of_other = [item.event async for item in client.events(stream=f"account-{other}")]
        in_stream = [
            item.version
            async for item in client.events(MoneyDeposited, stream=f"account-{ACCOUNT}", after=2)
        ]
        by_name = EventFilter(types=frozenset({"money-deposited"}), category="account")
        named = [item.position async for item in client.events(filter=by_name)]
        none = [item async for item in client.events(AccountOpened, filter=by_name)]
        with pytest.raises(StreamNotFound):
            await anext(client.events(stream="account-none"))
    assert amounts == [1, 2, 3]
    assert newest == [5, 4, 3, 2, 1]
    assert few == [3, 4]
    assert of_other == [AccountOpened(owner="Bob")]
    assert in_stream == [3, 4]
    assert named == [3, 4, 5]
    assert none == []


async def test_events_of_more_than_a_page_are_all_read() -> None:
    pages: list[str] = []

    async def page(request: web.Request) -> web.Response:
        pages.append(request.query["after"])
        following = {"0": 7, "7": None}[request.query["after"]]
        return web.json_response({"events": [], "next": following})

    async with answering(page) as url, Client(url) as client:
        assert [item async for item in client.events()] == []
    assert pages == ["0", "7"]


async def test_commands_are_scheduled_and_cancelled() -> None:
    id_ = uuid4()
    later = datetime.now(UTC) + timedelta(days=1)
    async with asking() as (client, server):
        management = str(server.management.make_url("/"))
        async with ManagementClient(management) as operator:
            assert await client.schedule(OPEN, at=later, id=id_) == id_
            await client.schedule(OPEN, after=timedelta(days=2), metadata={"tenant": "blue"})
            cron = await client.schedule(OPEN, cron="0 0 1 * *", timezone="Europe/Berlin")
            found = await operator.scheduled()
            assert [item["command"] for item in found] == ["OpenAccount"] * 3
            assert await operator.cancel(id_)
            assert await operator.cancel(cron)
            assert not await operator.cancel(id_)
            assert len(await operator.scheduled()) == 1
            assert await operator.scheduled(after=found[1]["cursor"]) == []
            found = await operator.get("subscriptions")
            assert [item["name"] for item in found["subscriptions"]] == ["welcome"]


async def test_a_token_is_sent_and_may_be_rotated(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    (tokens / "ada").write_text("new-secret-of-ada")
    given = iter(["old", "new-secret-of-ada", "new-secret-of-ada"])

    async def current() -> str:
        return next(given)

    async with running(CHEKOV_AUTH_TOKENS=str(tokens)) as server:
        url = url_of(server)
        async with Client(url, domain=DOMAIN, token=current) as client:
            await client.dispatch(OPEN)
        async with Client(url, domain=DOMAIN, token="wrong") as client:
            with pytest.raises(Unauthorized):
                await client.dispatch(deposit(1))


QUERIES: Mapping[str, object] = {"count": 3}


async def test_a_query_is_asked_with_plain_arguments() -> None:
    asked: list[tuple[str, list[tuple[str, str]], str | None]] = []

    async def query(request: web.Request) -> web.Response:
        position = request.headers.get("X-Min-Position")
        asked.append((request.path, list(request.query.items()), position))
        return web.json_response(QUERIES)

    async with answering(query) as url, Client(url) as client:
        arguments = {"by": UUID(int=1), "tags": ["a", "b&c"], "all": True, "left": None}
        assert await client.query("books", "count", arguments, min_position=7) == QUERIES
    [(path, parameters, position)] = asked
    assert path == "/queries/books/count"
    assert parameters == [
        ("by", str(UUID(int=1))),
        ("tags", "a"),
        ("tags", "b&c"),
        ("all", "true"),
    ]
    assert position == "7"


async def test_a_projection_that_stays_behind_is_a_consistency_timeout() -> None:
    async def behind(_: web.Request) -> web.Response:
        return problem("projection-behind", 503, retry_after="3600")

    async with answering(behind) as url, Client(url) as client:
        with pytest.raises(ConsistencyTimeout) as late:
            await client.query("books", "count", min_position=7)
    assert (late.value.position, late.value.behind) == (7, ("books",))


async def test_what_is_no_service_of_chekov_is_named() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>Welcome!</html>", content_type="text/html")

    async def not_found(_: web.Request) -> web.Response:
        return web.Response(text="<html>Nothing here</html>", status=404)

    async with answering(page) as url, Client(url) as client:
        with pytest.raises(UnexpectedAnswer) as answered:
            await client.dispatch(OPEN)
        assert (answered.value.status, answered.value.url) == (200, f"{url}commands/OpenAccount")
        with pytest.raises(UnexpectedAnswer):
            await anext(client.subscribe())
    async with answering(not_found) as url, Client(url) as client:
        with pytest.raises(UnexpectedAnswer, match="Nothing here"):
            await client.load("account", 7)


async def test_parts_of_addresses_may_have_any_characters() -> None:
    paths: list[str] = []

    async def state(request: web.Request) -> web.Response:
        paths.append(request.raw_path)
        return web.json_response({"stream": "s", "version": 1, "state": None})

    async with answering(state) as url, Client(f"{url}shop/") as client:
        await client.load("account", "a/b c?d%é")
    assert paths == ["/shop/aggregates/account/a%2Fb%20c%3Fd%25%C3%A9"]


async def test_a_received_event_can_be_compared_and_shown() -> None:
    async with asking() as (client, _):
        await client.dispatch(OPEN)
        [first] = [item async for item in client.events()]
        [again] = [item async for item in client.events()]
    assert first == again
    assert isinstance(first, ReceivedEvent)
    assert "account-" in repr(first)


async def test_a_part_of_the_domain_is_enough() -> None:
    domain = Domain("part", aggregates=[Account])
    async with asking() as (_, server), Client(url_of(server), domain=domain) as client:
        assert (await client.dispatch(OPEN)).events == [AccountOpened(owner="Ada")]


async def test_what_leads_elsewhere_has_not_done_what_it_was_asked() -> None:
    async def moved(_: web.Request) -> web.Response:
        return web.Response(status=308, headers={"Location": "https://other.example/"})

    async with answering(moved) as url, Client(url) as client, ManagementClient(url) as operator:
        with pytest.raises(UnexpectedAnswer, match=r"308 .*leads to https://other\.example/"):
            await client.forget("ada")
        with pytest.raises(UnexpectedAnswer, match="leads to"):
            await operator.post("subscriptions", "welcome", "pause")
        with pytest.raises(UnexpectedAnswer, match="leads to"):
            await anext(client.dispatch_all([OPEN]))


@pytest.mark.parametrize("token", ["", "two\nlines", "two\0parts", "\ufeffmarked", "with spaces"])
async def test_a_token_that_no_header_can_hold_is_refused_and_not_repeated(token: str) -> None:
    async with Client("http://nobody.invalid", token=token) as client:
        with pytest.raises(InvalidArgument, match="the token cannot be sent") as refused:
            await client.dispatch(OPEN)
    assert not token or token not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://ada:secret@shop.example",
        "ftp://ada:secret@shop.example",
        "https://ada:secret@shop.example:port",
        "https://secret@shop.example",
        "https://shop.example?token=secret",
    ],
)
def test_a_url_with_secrets_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidArgument, match="url=") as refused:
        Client(url)
    assert "secret" not in str(refused.value)


def test_a_url_may_have_a_path_of_any_characters() -> None:
    Client("https://shop.example/@blue/a%20b")
