"""`POST /commands` takes commands line by line and answers in the same order."""

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from chekov.domain.envelope import CommandEnvelope
from chekov.domain.middleware import Next
from chekov.engine.commands.execution import Dispatched
from chekov.server.command_batch import WINDOW
from chekov.store.port import NewEvent
from chekov.uuid7 import uuid7
from tests.unit.engine.exits import EXITS
from tests.unit.server.conftest import ID, OpenAccount, Serving, problem
from tests.waiting import until

HEADERS = {"Content-Type": "application/x-ndjson"}


def line(command: str, **data: object) -> str:
    return json.dumps({"command": command, "data": data})


def parsed(text: str) -> list[dict[str, object]]:
    return [json.loads(item) for item in text.splitlines()]


async def post(serving: Serving, body: str) -> list[dict[str, object]]:
    async with serving() as server:
        response = await server.api.post("/commands", data=body.encode(), headers=HEADERS)
        assert response.status == 200
        assert response.content_type == "application/x-ndjson"
        return parsed(await response.text())


async def test_each_line_is_answered_in_the_order_they_came(serving: Serving) -> None:
    accounts = [str(uuid4()) for _ in range(50)]
    answers = await post(
        serving,
        "\n".join(line("OpenAccount", account_id=account, owner="Ada") for account in accounts),
    )
    assert [answer["stream"] for answer in answers] == [f"account-{item}" for item in accounts]


async def test_lines_of_one_instance_are_executed_in_order(serving: Serving) -> None:
    account = str(uuid4())
    deposits = [line("deposit-money", account_id=account, amount=n) for n in range(1, 400)]
    answers = await post(
        serving, "\n".join([line("OpenAccount", account_id=account, owner="Ada"), *deposits])
    )
    assert [answer["version"] for answer in answers] == list(range(1, 401))


async def test_a_broken_line_is_answered_and_does_not_stop_the_rest(serving: Serving) -> None:
    account = str(uuid4())
    answers = await post(
        serving,
        "\n".join(
            [
                "nonsense",
                line("Fly"),
                line("OpenAccount", account_id=account),
                line("deposit-money", account_id=account, amount=5),
                '{"command": "OpenAccount", "data": {}, "colour": "red"}',
                "",
                line("OpenAccount", account_id=account, owner="Ada"),
                line("Break", account_id=account),
            ]
        ),
    )
    statuses = [answer.get("status", 200) for answer in answers]
    assert statuses == [400, 404, 400, 422, 400, 200, 500]
    assert answers[2]["path"] == "$.owner"


async def test_the_id_of_a_line_is_its_commands_id(serving: Serving) -> None:
    key, account = str(uuid4()), str(uuid4())
    data = {"account_id": account, "owner": "Ada"}
    body = json.dumps({"command": "OpenAccount", "data": data, "id": key})
    (answer,) = await post(serving, body)
    assert answer["command_id"] == key


async def test_a_line_is_answered_with_what_it_asks_for(serving: Serving) -> None:
    data = {"account_id": str(uuid4()), "owner": "Ada"}
    lines = [{"command": "OpenAccount", "data": data, "id": str(uuid4())}]
    deposit = {"command": "deposit-money", "data": {"account_id": data["account_id"], "amount": 5}}
    lines += [{**deposit, "return": wanted} for wanted in ("state", "version", "everything")]
    answers = await post(serving, "\n".join(map(json.dumps, lines)))
    assert ["events" in answer for answer in answers] == [True, False, False, True]
    states = [answer.get("state") for answer in answers]
    assert states == [None, {"owner": "Ada", "balance": 5}, None, {"owner": "Ada", "balance": 15}]


async def test_a_line_may_expect_a_version(serving: Serving) -> None:
    account, other = str(uuid4()), str(uuid4())
    versions: list[tuple[str, object]] = [
        (account, 0), (account, 0), (account, 1), (account, "*"), (other, "*"),
    ]  # fmt: skip
    first = {"command": "OpenAccount", "data": {"account_id": account, "owner": "Ada"}}
    deposits = [
        {
            "command": "deposit-money",
            "data": {"account_id": item, "amount": 1},
            "expected_version": version,
        }
        for item, version in versions[1:]
    ]
    lines = [{**first, "expected_version": 0}, *deposits]
    answers = await post(serving, "\n".join(map(json.dumps, lines)))
    assert [answer.get("status", 200) for answer in answers] == [200, 409, 200, 200, 409]
    assert answers[1]["actual"] == 1


async def test_the_metadata_of_a_line_is_stored_with_its_events(serving: Serving) -> None:
    data = {"account_id": str(uuid4()), "owner": "Ada"}
    body = json.dumps({"command": "OpenAccount", "data": data, "metadata": {"tenant": "blue"}})
    (answer,) = await post(serving, body)
    (event,) = cast("list[dict[str, Any]]", answer["events"])
    assert event["metadata"]["tenant"] == "blue"


async def test_a_line_may_name_what_led_to_it(serving: Serving) -> None:
    cause, correlation = str(uuid4()), str(uuid4())
    data = {"account_id": str(uuid4()), "owner": "Ada"}
    given = {"causation_id": cause, "correlation_id": correlation}
    (answer,) = await post(serving, json.dumps({"command": "OpenAccount", "data": data, **given}))
    (event,) = cast("list[dict[str, Any]]", answer["events"])
    assert (event["metadata"]["$caused_by"], event["correlation_id"]) == (cause, correlation)
    assert answer["correlation_id"] == correlation


async def test_a_line_may_wait_for_handlers_and_the_next_one_does_not_wait_for_it(
    serving: Serving,
) -> None:
    account = str(uuid4())
    first = {"command": "OpenAccount", "data": {"account_id": account, "owner": "Ada"}}
    deposit = {"command": "deposit-money", "data": {"account_id": account, "amount": 1}}
    lines = [{**first, "wait": 30}, deposit, {**deposit, "wait": 0, "handlers": ["welcome"]}]
    async with serving() as server:
        server.welcome.open.clear()
        posting = asyncio.ensure_future(
            server.api.post(
                "/commands", data="\n".join(map(json.dumps, lines)).encode(), headers=HEADERS
            )
        )

        async def are_executed() -> bool:
            return await server.runtime.store.head() == 3

        await until(are_executed)
        server.welcome.open.set()
        waited, plain, late = parsed(await (await posting).text())
    assert waited["consistent"] is True
    assert "consistent" not in plain
    assert (late["consistent"], late["behind"]) == (False, ["welcome"])


@pytest.mark.parametrize(
    ("members", "path", "detail"),
    [
        ({"wait": -1}, "$.wait", ">= 0"),
        ({"handlers": ["welcome"]}, "$.handlers", "is for wait"),
        ({"wait": 1, "handlers": ["nobody"]}, "$.handlers", "nobody"),
        ({"wait": 1, "after": 5}, "$.wait", "is not for a command for later"),
        ({"causation_id": "7"}, "$.causation_id", "Invalid UUID"),
        ({"colour": "red"}, "$.colour", "known: command, data, id, expected_version, metadata"),
        ({"expected_version": -1}, "$.expected_version", ">= 0"),
        ({"expected_version": "new"}, "$.expected_version", "Invalid enum value 'new'"),
        ({"metadata": {"$mine": 1}}, "$.metadata", "begin with '$'"),
        ({"metadata": {"a": "b" * 4096}}, "$.metadata", "longer than 4096"),
        ({"metadata": []}, "$.metadata", "Expected `object | null`"),
        ({"return": "all"}, "$.return", "Invalid enum value 'all'"),
    ],
)
async def test_a_line_with_an_unusable_member_is_refused(
    serving: Serving, members: dict[str, object], path: str, detail: str
) -> None:
    data = {"account_id": str(uuid4()), "owner": "Ada"}
    (answer,) = await post(serving, json.dumps({"command": "OpenAccount", "data": data, **members}))
    assert answer["type"] == "urn:chekov:problem:malformed-request"
    assert answer["path"] == path
    assert detail in str(answer["detail"])


async def test_a_line_sent_again_is_answered_as_before(serving: Serving) -> None:
    key, account, other = str(uuid4()), str(uuid4()), str(uuid4())
    lines = [
        {"command": "OpenAccount", "data": {"account_id": item, "owner": "Ada"}, "id": key}
        for item in (account, account, other)
    ]
    body = "\n".join(map(json.dumps, lines[:2]))
    async with serving() as server:
        response = await server.api.post("/commands", data=body.encode(), headers=HEADERS)
        first, second = parsed(await response.text())
        assert second == first | {"repeated": True}
        body = "\n".join(map(json.dumps, lines))
        response = await server.api.post("/commands", data=body.encode(), headers=HEADERS)
        *again, refused = parsed(await response.text())
        assert again == [second, second]
        assert refused["type"] == "urn:chekov:problem:command-id-reused"
        assert await server.store.head() == 1


async def test_a_line_above_the_limit_is_answered_and_skipped(serving: Serving) -> None:
    account = str(uuid4())
    body = "\n".join(
        [
            line("OpenAccount", account_id=account, owner="x" * 300_000),
            line("OpenAccount", account_id=account, owner="Ada"),
        ]
    )
    async with serving(CHEKOV_BODY_LIMIT="1000") as server:
        response = await server.api.post("/commands", data=body.encode(), headers=HEADERS)
        answers = parsed(await response.text())
    assert [answer.get("status", 200) for answer in answers] == [413, 200]


async def test_answers_come_while_lines_are_still_sent(serving: Serving) -> None:
    seen = asyncio.Event()

    async def body() -> AsyncGenerator[bytes]:
        yield line("OpenAccount", account_id=str(uuid4()), owner="Ada").encode() + b"\n"
        await seen.wait()
        yield line("OpenAccount", account_id=str(uuid4()), owner="Bob").encode() + b"\n"

    async with asyncio.timeout(240), serving() as server:
        response = await server.api.post("/commands", data=body(), headers=HEADERS)
        first = await response.content.readline()
        seen.set()
        second = await response.content.readline()
    assert [json.loads(item)["position"] for item in (first, second)] == [1, 2]


async def test_a_batch_without_an_end_ends_at_the_drain(serving: Serving) -> None:
    ended = asyncio.Event()

    async def body() -> AsyncGenerator[bytes]:
        yield line("OpenAccount", account_id=str(uuid4()), owner="Ada").encode() + b"\n"
        await ended.wait()

    async with asyncio.timeout(240), serving() as server:
        response = await server.api.post("/commands", data=body(), headers=HEADERS)
        assert json.loads(await response.content.readline())["position"] == 1
        server.lifecycle.drain()
        assert json.loads(await response.content.readline())["status"] == 503
        assert await response.content.read() == b""
        ended.set()


@pytest.mark.parametrize("error", EXITS, ids=repr)
async def test_an_exit_that_nobody_requested_is_the_problem_of_its_line(
    serving: Serving, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    async def leave(envelope: CommandEnvelope[Any], proceed: Next) -> Dispatched[Any]:
        if envelope.command == OpenAccount(account_id=UUID(ID), owner="Eve"):
            raise error
        return await proceed(envelope)

    accounts = [ID, *(str(uuid4()) for _ in range(2 * WINDOW))]
    body = "\n".join(line("OpenAccount", account_id=item, owner="Eve") for item in accounts)
    async with asyncio.timeout(240), serving(domain_options={"middleware": [leave]}) as server:
        response = await server.api.post("/commands", data=body.encode(), headers=HEADERS)
        answers = parsed(await response.text())
    assert [answer.get("status", 200) for answer in answers] == [500, *[200] * (2 * WINDOW)]
    assert "a command of a batch failed" in caplog.text
    assert "in leave" in caplog.text


async def test_the_log_says_why_an_event_cannot_be_decoded(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as server:
        await server.store.append(f"account-{ID}", [NewEvent(uuid7(), "AccountOpened", b"{}")])
        body = line("OpenAccount", account_id=ID, owner="Ada")
        response = await server.api.post("/commands", data=body.encode(), headers=HEADERS)
        (answer,) = parsed(await response.text())
    assert answer["type"] == "urn:chekov:problem:undecodable-event"
    record = caplog.records[-1]
    assert "missing required field `owner`" in str(record.exc_info)
    assert (
        vars(record).items()
        >= {
            "command": "OpenAccount",
            "event_type": "AccountOpened",
            "stream": f"account-{ID}",
            "version": 1,
        }.items()
    )


async def test_another_content_type_is_refused(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post("/commands", json={})
        assert response.status == 415
        assert response.headers["Accept-Post"] == "application/x-ndjson"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (gzip.compress(b"\n" * 10_000_000), 400),
        (gzip.compress(b" " * 10_000_000), 413),
        (b"nonsense", 400),
    ],
)
async def test_content_that_cannot_be_read_further_ends_the_batch_with_a_problem(
    serving: Serving, content: bytes, status: int
) -> None:
    first = line("OpenAccount", account_id=str(uuid4()), owner="Ada").encode() + b"\n"
    async with serving() as server:
        response = await server.api.post(
            "/commands",
            data=gzip.compress(first) + content,
            headers={**HEADERS, "Content-Encoding": "gzip"},
        )
        answers = parsed(await response.text())
    assert [answer.get("status", 200) for answer in answers] == [200, status]


async def test_a_compressed_batch_is_executed(serving: Serving) -> None:
    accounts = [str(uuid4()) for _ in range(300)]
    body = "\n".join(line("OpenAccount", account_id=item, owner="Ada") for item in accounts)
    async with serving() as server:
        response = await server.api.post(
            "/commands",
            data=gzip.compress(body.encode()),
            headers={**HEADERS, "Content-Encoding": "gzip"},
        )
        answers = parsed(await response.text())
    assert [answer["stream"] for answer in answers] == [f"account-{item}" for item in accounts]


async def test_an_encoding_that_is_not_supported_is_refused(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post(
            "/commands", data=b"x", headers={**HEADERS, "Content-Encoding": "br"}
        )
        await problem(response, 415, "unsupported-media-type")
