"""`POST /commands/{Command}` executes one command and returns what it stored."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from chekov import CommandEnvelope, Dispatched
from chekov.domain.middleware import Next
from chekov.store.port import NewEvent
from tests.unit.engine.exits import EXITS
from tests.unit.server.conftest import ID, OPEN, Account, Serving, problem


async def test_a_command_is_executed_and_its_events_are_returned(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post("/commands/OpenAccount", json=OPEN)
        body = await response.json()
    assert response.status == 200
    assert response.content_type == "application/json"
    assert body["stream"] == f"account-{ID}"
    assert (body["version"], body["position"]) == (1, 1)
    (event,) = body["events"]
    assert event["type"] == "AccountOpened"
    assert event["data"] == {"owner": "Ada"}
    assert event["causation_id"] == body["command_id"]
    assert event["correlation_id"] == body["correlation_id"]
    assert response.headers["X-Correlation-ID"] == body["correlation_id"]


async def test_a_command_name_with_a_dash_has_a_path_too(serving: Serving) -> None:
    async with serving() as server:
        await server.api.post("/commands/OpenAccount", json=OPEN)
        response = await server.api.post(
            "/commands/deposit-money", json={"account_id": ID, "amount": 5}
        )
        assert (await response.json())["version"] == 2


async def test_a_command_that_changes_nothing_stores_nothing(serving: Serving) -> None:
    async with serving() as server:
        await server.api.post("/commands/OpenAccount", json=OPEN)
        response = await server.api.post(
            "/commands/deposit-money", json={"account_id": ID, "amount": 0}
        )
        body = await response.json()
    assert (response.status, body["version"], body["position"]) == (200, 1, 0)
    assert body["events"] == []


@pytest.mark.parametrize(
    ("wanted", "members"),
    [
        ("", {"events"}),
        ("?return=events", {"events"}),
        ("?return=state", {"state"}),
        ("?return=version", set[str]()),
        ("?return=everything", {"events", "state"}),
    ],
)
async def test_the_answer_has_what_the_request_asks_for(
    serving: Serving, wanted: str, members: set[str]
) -> None:
    async with serving() as server:
        response = await server.api.post(f"/commands/OpenAccount{wanted}", json=OPEN)
        body = await response.json()
    always = {"stream", "version", "position", "command_id", "correlation_id"}
    assert body.keys() == always | members
    assert body.get("state", {"owner": "Ada", "balance": 0}) == {"owner": "Ada", "balance": 0}


async def test_an_unknown_answer_is_refused(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post("/commands/OpenAccount?return=all", json=OPEN)
        document = await problem(response, 400, "malformed-request")
    assert document["path"] == "return"
    assert "events, state, version or everything" in str(document["detail"])


class Odd:
    """Looks like a mapping to JSON, and is none."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def keys(self) -> None:
        raise AssertionError

    def items(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", [TypeError("no JSON"), ValueError("no"), *EXITS], ids=repr)
async def test_a_state_that_cannot_be_returned_is_no_error_of_the_command(
    serving: Serving, error: BaseException
) -> None:
    async def odd(envelope: CommandEnvelope[Any], proceed: Next) -> Dispatched[Any]:
        dispatched = await proceed(envelope)
        return dispatched._replace(state={"owner": Odd(error)})  # type: ignore[arg-type]

    async with serving(domain_options={"middleware": [odd]}) as server:
        response = await server.api.post(
            "/commands/OpenAccount?return=state", json=OPEN, headers={"Prefer": "wait=5"}
        )
        body = await response.json()
    assert (response.status, body["version"], body["state"]) == (200, 1, None)
    assert body["consistent"] is True
    assert type(error).__name__ in body["state_error"]


async def test_the_state_is_that_of_the_commands_own_turn(serving: Serving) -> None:
    async with serving() as server:
        await server.api.post("/commands/OpenAccount", json=OPEN)

        async def deposit() -> tuple[int, int]:
            response = await server.api.post(
                "/commands/deposit-money?return=state", json={"account_id": ID, "amount": 1}
            )
            body = await response.json()
            return body["version"], body["state"]["balance"]

        answers = await asyncio.gather(*(deposit() for _ in range(50)))
    assert sorted(answers) == [(version, version - 1) for version in range(2, 52)]


async def test_a_repeated_command_returns_the_state_of_the_first_time(serving: Serving) -> None:
    async with serving() as server:
        first = uuid4()
        for _ in range(2):
            response = await server.api.post(
                "/commands/OpenAccount?return=state",
                json=OPEN,
                headers={"Idempotency-Key": str(first)},
            )
            assert (await response.json())["state"] == {"owner": "Ada", "balance": 0}
            await server.api.post("/commands/deposit-money", json={"account_id": ID, "amount": 9})


async def test_an_unknown_command_is_not_found(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post("/commands/Fly", json={})
        assert "OpenAccount" in str(await problem(response, 404, "unknown-command"))


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (f'{{"account_id": "{ID}"}}', "$.owner"),
        (f'{{"account_id": "{ID}", "owner": 7}}', "$.owner"),
        ('{"account_id": "7", "owner": "Ada"}', "$.account_id"),
        (f'{{"account_id": "{ID}", "owner": "Ada", "colour": "red"}}', "$.colour"),
    ],
)
async def test_a_command_that_does_not_fit_names_the_field(
    serving: Serving, body: str, path: str
) -> None:
    async with serving() as server:
        response = await server.api.post(
            "/commands/OpenAccount", data=body, headers={"Content-Type": "application/json"}
        )
        assert (await problem(response, 400, "invalid-command"))["path"] == path


@pytest.mark.parametrize("body", ["", "{", '{"owner": "\udc80"}', "[" * 100_000])
async def test_a_body_that_is_not_json_is_malformed(serving: Serving, body: str) -> None:
    async with serving() as server:
        response = await server.api.post(
            "/commands/OpenAccount",
            data=body.encode(errors="surrogatepass"),
            headers={"Content-Type": "application/json"},
        )
        await problem(response, 400, "invalid-command")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": "application/vnd.bank+json"},
        {},
    ],
    ids=str,
)
async def test_json_is_accepted_and_so_is_content_without_a_type(
    serving: Serving, headers: dict[str, str]
) -> None:
    async with serving() as server:
        response = await server.api.post(
            "/commands/OpenAccount",
            data=f'{{"account_id": "{ID}", "owner": "Ada"}}'.encode(),
            headers=headers,
            skip_auto_headers={"Content-Type"},
        )
    assert response.status == 200


async def test_another_content_type_is_refused(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post("/commands/OpenAccount", data={"owner": "Ada"})
        await problem(response, 415, "unsupported-media-type")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_above_the_limit_is_refused(serving: Serving, *, chunked: bool) -> None:
    async with serving(CHEKOV_BODY_LIMIT="1000") as server:
        body = OPEN | {"owner": "x" * 1000}
        response = await server.api.post(
            "/commands/OpenAccount", json=body, chunked=True if chunked else None
        )
        assert "1000 bytes" in str(await problem(response, 413, "content-too-large"))


async def test_a_rejection_names_the_rule(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post(
            "/commands/deposit-money", json={"account_id": ID, "amount": 5}
        )
        document = await problem(response, 422, "rejected")
    assert document["rejection"] == "NotOpen"
    assert document["detail"] == "There is no such account."


async def test_a_failed_if_match_reports_the_actual_version(serving: Serving) -> None:
    async with serving() as server:
        await server.api.post("/commands/OpenAccount", json=OPEN)
        response = await server.api.post(
            "/commands/deposit-money",
            json={"account_id": ID, "amount": 5},
            headers={"If-Match": '"4"'},
        )
        document = await problem(response, 409, "version-conflict")
        assert (document["expected"], document["actual"]) == (4, 1)
        response = await server.api.post(
            "/commands/deposit-money",
            json={"account_id": ID, "amount": 5},
            headers={"If-Match": '"1"'},
        )
        assert response.status == 200


async def test_the_idempotency_key_is_the_commands_id(serving: Serving) -> None:
    key = str(uuid4())
    async with serving() as server:
        response = await server.api.post(
            "/commands/OpenAccount", json=OPEN, headers={"Idempotency-Key": key}
        )
        body = await response.json()
    assert body["command_id"] == key
    assert body["events"][0]["causation_id"] == key


async def test_a_command_sent_again_under_its_key_is_answered_as_before(serving: Serving) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    deposit = {"account_id": ID, "amount": 5}
    async with serving() as server:
        post = server.api.post
        first = await post("/commands/OpenAccount", json=OPEN, headers=key)
        assert "Idempotency-Replayed" not in first.headers
        await post("/commands/deposit-money", json=deposit)
        for further in ({}, {"If-None-Match": "*"}, {"Prefer": "wait=30"}):
            again = await post("/commands/OpenAccount", json=OPEN, headers=key | further)
            assert (again.status, again.headers["Idempotency-Replayed"]) == (200, "true")
            body = await again.json()
            body.pop("consistent", None)
            assert body == await first.json() | {"repeated": True}
        response = await post("/commands/deposit-money", json=deposit, headers=key)
        document = await problem(response, 422, "command-id-reused")
        assert document["command"] == "OpenAccount"
        response = await post(
            "/commands/OpenAccount", json=OPEN | {"account_id": key["Idempotency-Key"]}, headers=key
        )
        assert (await problem(response, 422, "command-id-reused"))["stream"] == f"account-{ID}"


async def test_a_rejected_command_is_executed_when_it_is_sent_again(serving: Serving) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    deposit = {"account_id": ID, "amount": 5}
    async with serving() as server:
        response = await server.api.post("/commands/deposit-money", json=deposit, headers=key)
        await problem(response, 422, "rejected")
        await server.api.post("/commands/OpenAccount", json=OPEN)
        response = await server.api.post("/commands/deposit-money", json=deposit, headers=key)
        assert (await response.json())["version"] == 2
        assert "Idempotency-Replayed" not in response.headers


async def test_a_deleted_aggregate_is_gone(serving: Serving) -> None:
    async with serving() as server:
        await server.api.post("/commands/OpenAccount", json=OPEN)
        await server.runtime.delete(Account, UUID(ID))
        response = await server.api.post("/commands/OpenAccount", json=OPEN)
        assert (await problem(response, 410, "stream-deleted"))["stream"] == f"account-{ID}"
        for path in (f"/aggregates/account/{ID}", f"/streams/account-{ID}"):
            await problem(await server.api.get(path), 410, "stream-deleted")


async def test_a_truncated_history_is_reported(serving: Serving) -> None:
    async with serving() as server:
        for amount in (1, 2, 3):
            await server.runtime.store.append(
                f"account-{ID}", [NewEvent(uuid4(), "money-deposited", b'{"amount": %d}' % amount)]
            )
        await server.runtime.store.streams.truncate(f"account-{ID}", before=3)
        response = await server.api.post("/commands/OpenAccount", json=OPEN)
        assert (await problem(response, 410, "history-truncated"))["first"] == 3


async def test_a_command_may_name_what_led_to_it(serving: Serving) -> None:
    cause = str(uuid4())
    async with serving() as server:
        response = await server.api.post(
            "/commands/OpenAccount", json=OPEN, headers={"X-Causation-ID": cause}
        )
        (event,) = (await response.json())["events"]
        assert event["metadata"]["$caused_by"] == cause
        response = await server.api.post(
            "/commands/OpenAccount", json=OPEN, headers={"X-Causation-ID": "me"}
        )
        assert (await problem(response, 400, "malformed-request"))["header"] == "X-Causation-ID"


async def test_prefer_wait_answers_when_the_handlers_are_done(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post(
            "/commands/OpenAccount", json=OPEN, headers={"Prefer": "wait=30"}
        )
        assert response.status == 200
        assert response.headers["Preference-Applied"] == "wait=30"
        assert (await response.json())["consistent"] is True


async def test_events_that_a_handler_failed_on_are_not_consistent(serving: Serving) -> None:
    async with serving(CHEKOV_RETRY_ATTEMPTS="1") as server:
        server.welcome.failure = "no greeting today"
        response = await server.api.post(
            "/commands/OpenAccount", json=OPEN, headers={"Prefer": "wait=30"}
        )
        body = await response.json()
    assert response.status == 202
    assert response.headers["Preference-Applied"] == "wait=30"
    assert (body["consistent"], body["failed"]) == (False, ["welcome"])
    assert "behind" not in body


async def test_when_handlers_are_late_the_events_are_stored_all_the_same(serving: Serving) -> None:
    async with serving() as server:
        server.welcome.open.clear()
        response = await server.api.post(
            "/commands/OpenAccount", json=OPEN, headers={"Prefer": "wait=0"}
        )
        body = await response.json()
    assert response.status == 202
    assert body["consistent"] is False
    assert body["behind"] == ["welcome"]
    assert body["position"] == 1


async def test_prefer_names_the_handlers_to_wait_for(serving: Serving) -> None:
    async with serving() as server:
        server.welcome.open.clear()
        response = await server.api.post(
            "/commands/OpenAccount",
            json=OPEN,
            headers={"Prefer": 'wait=0; handlers="welcome"'},
        )
        assert response.status == 202
        assert response.headers["Preference-Applied"] == 'wait=0; handlers="welcome"'
        assert (await response.json())["behind"] == ["welcome"]
        response = await server.api.post(
            "/commands/deposit-money",
            json={"account_id": ID, "amount": 5},
            headers={"Prefer": 'wait=30; handlers=""'},
        )
        assert (response.status, (await response.json())["consistent"]) == (200, True)


async def test_a_handler_that_does_not_exist_is_refused_before_anything_is_stored(
    serving: Serving,
) -> None:
    async with serving() as server:
        response = await server.api.post(
            "/commands/OpenAccount", json=OPEN, headers={"Prefer": "wait=5; handlers=welcom"}
        )
        body = await problem(response, 400, "malformed-request")
        assert body["header"] == "Prefer"
        assert "no subscription 'welcom'; it has welcome" in str(body["detail"])
        assert await server.runtime.store.head() == 0
