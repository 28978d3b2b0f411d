"""Who may use the API, and what becomes known of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from chekov.server.authentication.authenticator import authenticating
from chekov.server.authentication.key_set import UnusableKeys
from chekov.server.authentication.static_tokens import UnusableTokens
from chekov.server.file_watch import FileWatch
from chekov.server.settings import Settings
from tests.unit.server.authentication.issuer import (
    AUDIENCE,
    ISSUER,
    OTHER_RSA,
    RSA,
    key_set,
    token,
)
from tests.unit.server.conftest import ID, OPEN, Serving, problem
from tests.waiting import until

TOKEN = "ada-0123456789abcdef"


@pytest.fixture
def static(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "tokens"
    folder.mkdir()
    (folder / "ada").write_text(TOKEN)
    return {"CHEKOV_AUTH_TOKENS": str(folder)}


@pytest.fixture
def signed(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "jwks.json"
    file.write_bytes(key_set(rsa=RSA))
    return {
        "CHEKOV_AUTH_JWT_ISSUER": ISSUER,
        "CHEKOV_AUTH_JWT_AUDIENCE": AUDIENCE,
        "CHEKOV_AUTH_JWT_KEYS": str(file),
    }


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


async def test_without_settings_no_token_is_needed(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.post("/commands/OpenAccount", json=OPEN)
        assert response.status == 200
        assert (await response.json())["events"][0]["metadata"] == {}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/commands/OpenAccount"),
        ("POST", "/commands/Unknown"),
        ("POST", "/commands"),
        ("GET", f"/aggregates/account/{ID}"),
        ("GET", "/streams"),
        ("GET", f"/streams/account-{ID}"),
        ("GET", "/events"),
        ("HEAD", "/events"),
        ("GET", "/queries/a/b"),
        ("GET", "/nowhere"),
        ("DELETE", "/events"),
    ],
)
async def test_every_path_needs_a_token(
    serving: Serving, static: dict[str, str], method: str, path: str
) -> None:
    async with serving(**static) as server:
        for headers in ({}, bearer("wrong-0123456789abcdef"), {"Authorization": f"Basic {TOKEN}"}):
            response = await server.api.request(method, path, headers=headers)
            assert response.status == 401
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
        response = await server.api.request(method, path, headers=bearer(TOKEN))
        assert response.status != 401


async def test_event_streams_need_a_token(serving: Serving, static: dict[str, str]) -> None:
    async with serving(**static) as server:
        response = await server.api.get("/events", headers={"Accept": "text/event-stream"})
        await problem(response, 401, "unauthorized")


async def test_what_describes_the_api_needs_none(serving: Serving, static: dict[str, str]) -> None:
    async with serving(**static) as server:
        assert (await server.api.get("/")).status == 200
        document = await (await server.api.get("/openapi.json")).json()
    assert document["security"] == [{"Bearer": []}]
    assert document["components"]["securitySchemes"]["Bearer"]["scheme"] == "bearer"
    for item in document["paths"].values():
        for operation in item.values():
            assert "401" in operation["responses"]


@pytest.mark.parametrize(
    ("headers", "status", "detail", "challenge"),
    [
        ([], 401, "Expected a header: Authorization: Bearer <token>.", "Bearer"),
        ([("Authorization", "Bearer")], 401, "Expected a header", "Bearer"),
        ([("Authorization", f"Token {TOKEN}")], 401, "Expected a header", "Bearer"),
        (
            [("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")],
            401,
            "Expected a header",
            "Bearer",
        ),
        (
            [("Authorization", "Bearer é-0123456789abcdef")],
            401,
            "The token is not known.",
            'Bearer error="invalid_token"',
        ),
        ([("authorization", f"bearer {TOKEN}")], 200, "", ""),
        ([("Authorization", f"BEARER   {TOKEN} ")], 200, "", ""),
    ],
)
async def test_the_token_comes_in_one_header(
    serving: Serving,
    static: dict[str, str],
    headers: list[tuple[str, str]],
    status: int,
    detail: str,
    challenge: str,
) -> None:
    async with serving(**static) as server:
        response = await server.api.get("/events", headers=headers)
        assert response.status == status
        if status == 401:
            assert (await response.json())["detail"].startswith(detail)
            assert response.headers["WWW-Authenticate"] == challenge


async def test_signed_tokens_are_accepted_beside_those_in_files(
    serving: Serving, static: dict[str, str], signed: dict[str, str]
) -> None:
    async with serving(**static, **signed) as server:
        for given in (TOKEN, token()):
            assert (await server.api.get("/events", headers=bearer(given))).status == 200
        response = await server.api.get("/events", headers=bearer(token(exp=1)))
        document = await problem(response, 401, "unauthorized")
        assert document["detail"] == "The token has expired."
        response = await server.api.get("/events", headers=bearer(token(OTHER_RSA)))
        document = await problem(response, 401, "unauthorized")
        assert document["detail"] == "The token's signature is wrong."


async def test_while_the_issuer_does_not_answer_clients_come_back_later(
    serving: Serving, signed: dict[str, str]
) -> None:
    unreachable = {**signed, "CHEKOV_AUTH_JWT_KEYS": "http://127.0.0.1:1/keys"}
    async with serving(**unreachable) as server:
        response = await server.api.get("/events", headers=bearer(token()))
        await problem(response, 503, "authentication-unavailable")
        assert response.headers["Retry-After"] == "5"


async def test_events_show_on_whose_behalf_they_were_stored(
    serving: Serving, signed: dict[str, str]
) -> None:
    async with serving(**signed) as server:
        headers = bearer(token())
        response = await server.api.post("/commands/OpenAccount", json=OPEN, headers=headers)
        assert (await response.json())["events"][0]["metadata"] == {"$principal": "ada"}
        line = {"command": "deposit-money", "data": {"account_id": ID, "amount": 1}}
        response = await server.api.post(
            "/commands",
            data=json.dumps(line),
            headers={**bearer(token(sub="bob")), "Content-Type": "application/x-ndjson"},
        )
        result = json.loads(await response.text())
        assert result["events"][0]["metadata"] == {"$principal": "bob"}


async def test_events_of_scheduled_commands_show_it_too(
    serving: Serving, signed: dict[str, str]
) -> None:
    async with serving(**signed) as server:
        headers = bearer(token())
        response = await server.api.post(
            "/commands/OpenAccount?after=0", json=OPEN, headers=headers
        )
        assert response.status == 202

        async def recorded() -> list[object]:
            response = await server.api.get("/events", headers=headers)
            return [event["metadata"] for event in (await response.json())["events"]]

        await until(recorded)
        assert await recorded() == [{"$principal": "ada", "$command": "OpenAccount"}]


async def test_a_domain_may_keep_subjects_out_of_its_events(
    serving: Serving, signed: dict[str, str]
) -> None:
    options: dict[str, Any] = {"record_principal": False}
    async with serving(domain_options=options, **signed) as server:
        headers = bearer(token())
        response = await server.api.post("/commands/OpenAccount", json=OPEN, headers=headers)
        assert (await response.json())["events"][0]["metadata"] == {}


async def test_files_that_cannot_be_used_keep_the_process_from_starting(
    tmp_path: Path, signed: dict[str, str]
) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(UnusableTokens):
        async with authenticating(Settings.read({"CHEKOV_AUTH_TOKENS": missing}), FileWatch()):
            pass
    settings = Settings.read({**signed, "CHEKOV_AUTH_JWT_KEYS": missing})
    with pytest.raises((UnusableKeys, ExceptionGroup)):
        async with authenticating(settings, FileWatch()):
            pass
