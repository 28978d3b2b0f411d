"""What a principal may do over HTTP is decided by the domain, for every kind of request."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from chekov import (
    ANONYMOUS,
    Action,
    Aggregate,
    Command,
    Event,
    ForgetSubject,
    Identifier,
    Personal,
    Principal,
    ReadEvents,
    ReadState,
    apply,
    execute,
)
from tests.unit.server.conftest import ID, OPEN, Account, OpenAccount, Serving, problem

TOKEN = "ada-0123456789abcdef"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Guard:
    """Permits nothing but what it was given, and remembers what it was asked."""

    def __init__(self, *permitted: object) -> None:
        self.permitted = permitted
        self.asked: list[tuple[Principal, Action]] = []

    async def __call__(self, principal: Principal, action: Action) -> bool:
        self.asked.append((principal, action))
        return action in self.permitted


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "ada").write_text(TOKEN)
    return {"CHEKOV_AUTH_TOKENS": str(tmp_path)}


OPENING = OpenAccount(account_id=UUID(ID), owner="Ada")

REQUESTS: list[tuple[str, str, Any, object]] = [
    ("POST", "/commands/OpenAccount", OPEN, OPENING),
    ("POST", "/commands/OpenAccount?after=60", OPEN, OPENING),
    ("GET", f"/aggregates/account/{ID}", None, ReadState(Account, UUID(ID))),
    ("GET", "/streams", None, ReadEvents()),
    ("GET", "/events", None, ReadEvents()),
    ("GET", f"/streams/account-{ID}", None, ReadEvents(f"account-{ID}")),
]


@pytest.mark.parametrize(("method", "path", "body", "action"), REQUESTS)
async def test_each_request_is_asked_about_and_refused(
    serving: Serving, tokens: dict[str, str], method: str, path: str, body: Any, action: object
) -> None:
    guard = Guard()
    async with serving(domain_options={"authorize": guard}, **tokens) as server:
        response = await server.api.request(method, path, json=body, headers=HEADERS)
        await problem(response, 403, "forbidden")
        assert guard.asked == [(Principal("ada"), action)]
        assert await server.runtime.store.head() == 0
        listed = await (await server.management.get("/scheduled")).json()
        assert listed["scheduled"] == []


@pytest.mark.parametrize("path", ["/events", f"/streams/account-{ID}"])
async def test_event_streams_are_asked_about_before_they_begin(
    serving: Serving, tokens: dict[str, str], path: str
) -> None:
    async with serving(domain_options={"authorize": Guard()}, **tokens) as server:
        response = await server.api.get(path, headers={**HEADERS, "Accept": "text/event-stream"})
        await problem(response, 403, "forbidden")


async def test_what_is_permitted_is_done(serving: Serving, tokens: dict[str, str]) -> None:
    guard = Guard(*(action for *_, action in REQUESTS))
    async with serving(domain_options={"authorize": guard}, **tokens) as server:
        for method, path, body, _ in REQUESTS:
            response = await server.api.request(method, path, json=body, headers=HEADERS)
            assert response.status < 400, path


async def test_without_authentication_everybody_is_anonymous(serving: Serving) -> None:
    guard = Guard()
    async with serving(domain_options={"authorize": guard}) as server:
        await problem(await server.api.post("/commands/OpenAccount", json=OPEN), 403, "forbidden")
        await problem(await server.api.get("/events"), 403, "forbidden")
    assert {principal for principal, _ in guard.asked} == {ANONYMOUS}


async def test_each_line_of_a_batch_is_asked_about(
    serving: Serving, tokens: dict[str, str]
) -> None:
    guard = Guard(OPENING)
    lines = (
        f'{{"command":"OpenAccount","data":{{"account_id":"{ID}","owner":"Ada"}}}}\n'
        f'{{"command":"deposit-money","data":{{"account_id":"{ID}","amount":1}}}}\n'
    )
    async with serving(domain_options={"authorize": guard}, **tokens) as server:
        response = await server.api.post(
            "/commands",
            data=lines,
            headers={**HEADERS, "Content-Type": "application/x-ndjson"},
        )
        first, second = (await response.text()).splitlines()
    assert '"version":1' in first
    assert "urn:chekov:problem:forbidden" in second


class NameGiven(Event, subject="person"):
    person: str
    name: Personal[str]


class GiveName(Command[NameGiven]):
    person: Identifier[str]
    name: str


class Person(Aggregate, identity="person"):
    @execute
    def give(self, command: GiveName) -> list[NameGiven]:
        return [NameGiven(person=command.person, name=command.name)]

    @apply
    def given(self, event: NameGiven) -> None:
        pass


async def test_forgetting_is_asked_about(serving: Serving, tokens: dict[str, str]) -> None:
    guard = Guard(ForgetSubject("7"))
    async with serving(Person, domain_options={"authorize": guard}, **tokens) as server:
        response = await server.api.delete("/subjects/8", headers=HEADERS)
        await problem(response, 403, "forbidden")
        assert (await server.api.delete("/subjects/7", headers=HEADERS)).status == 204
