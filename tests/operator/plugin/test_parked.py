"""`kubectl chekov parked`: parked events are listed, and Replays made that deal with them."""

import base64
import json
from typing import Any

import pytest
from aiohttp import web

from chekov_operator.kube.objects import Object
from tests.operator.fake_api import FakeApi
from tests.operator.plugin.conftest import Kubectl
from tests.operator.plugin.fake_pod import MANAGEMENT, listening
from tests.operator.plugin.objects import CORE, GROUP, put_bundle, put_pod, put_subscription

PARKED = "/subscriptions/balances/parked"


def parked(position: int) -> dict[str, Any]:
    return {
        "subscription": {"name": "balances", "version": 1, "partition": 0},
        "position": position,
        "key": "account-1",
        "state": "failed",
        "attempts": 3,
        "fingerprint": "f1",
        "error": "DataError: out of range\nfor int8",
    }


@pytest.fixture
def bank(api: FakeApi) -> Object:
    put_pod(api, "bank-1")
    put_subscription(api, "balances", state="live", parked=1)
    return put_bundle(api)


def replays(api: FakeApi) -> list[Object]:
    return [body["spec"] for path, body in api.objects.items() if "/replays/" in path]


@pytest.mark.usefixtures("bank")
async def test_parked_events_are_listed(api: FakeApi, kubectl: Kubectl) -> None:
    async with listening(api, "bank-1", MANAGEMENT, {PARKED: {"parked": [parked(2)]}}) as requests:
        answer = await kubectl("parked", "bank", "--key=account-1")
    assert answer.code == 0
    heading, row = answer.output.splitlines()
    assert heading.split() == [
        *("SUBSCRIPTION", "POSITION", "STATE", "KEY", "ATTEMPTS", "FINGERPRINT", "ERROR")
    ]
    assert row.split(maxsplit=6) == [
        *("balances", "2", "failed", "account-1", "3", "f1", "DataError: out of range for int8")
    ]
    assert requests[0].query["key"] == "account-1"


@pytest.mark.usefixtures("bank")
async def test_causes_are_listed_as_json(api: FakeApi, kubectl: Kubectl) -> None:
    group = {"fingerprint": "f1", "events": 2, "first": 2, "last": 7, "error": "no"}
    async with listening(api, "bank-1", MANAGEMENT, {f"{PARKED}/groups": {"groups": [group]}}):
        answer = await kubectl("parked", "bank", "balances", "--groups", "-o", "json")
    assert json.loads(answer.output) == [{"subscription": "balances", **group}]


@pytest.mark.usefixtures("bank")
async def test_all_pages_are_read(api: FakeApi, kubectl: Kubectl) -> None:
    full = {"parked": [parked(position) for position in range(1, 1001)]}
    pages = iter([full, {"parked": [parked(1001)]}])

    async def answer(_request: object) -> Any:
        return web.json_response(next(pages))

    async with listening(api, "bank-1", MANAGEMENT, {PARKED: answer}) as requests:
        told = await kubectl("parked", "bank", "-o", "json")
    assert len(json.loads(told.output)) == 1001
    assert requests[1].query["after"] == "1000"


@pytest.mark.usefixtures("bank")
async def test_where_nothing_is_parked_that_is_said(api: FakeApi, kubectl: Kubectl) -> None:
    async with listening(api, "bank-1", MANAGEMENT, {PARKED: {"parked": []}}):
        assert (await kubectl("parked", "bank")).output == "no events are parked\n"


async def test_the_token_is_that_of_the_secret(
    api: FakeApi, kubectl: Kubectl, bank: Object
) -> None:
    bank["spec"]["auth"] = {"managementToken": {"secretRef": {"name": "management"}}}
    token = base64.b64encode(b"of-the-secret-123\n").decode()
    api.put(f"{CORE}/secrets/management", {"data": {"token": token}})
    async with listening(api, "bank-1", MANAGEMENT, {PARKED: {"parked": []}}) as requests:
        await kubectl("parked", "bank")
        assert requests[0].headers["Authorization"] == "Bearer of-the-secret-123"
        api.fail("GET", "/secrets/management", 403, "Forbidden")
        answer = await kubectl("parked", "bank")
    assert answer.code == 1
    assert "you may not read the Secret management: name a file" in answer.errors


@pytest.mark.usefixtures("bank")
@pytest.mark.parametrize(
    ("words", "spec"),
    [
        (["--retry", "--all"], {"retry": {"all": True}}),
        (["--retry", "--key=a", "--key=b"], {"retry": {"keys": ["a", "b"]}}),
        (
            ["--discard", "--fingerprint=f1", "--reason=typed by mistake"],
            {"discard": {"fingerprint": "f1", "reason": "typed by mistake"}},
        ),
    ],
)
async def test_a_replay_deals_with_the_chosen_ones(
    api: FakeApi, kubectl: Kubectl, words: list[str], spec: Object
) -> None:
    answer = await kubectl("parked", "bank", "balances", *words)
    assert answer.code == 0, answer.errors
    assert replays(api) == [{"subscriptionRef": {"name": "bank-balances"}, **spec}]
    assert "was made" in answer.output


@pytest.mark.usefixtures("bank")
@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["balances", "--retry"], "exactly one of --key, --fingerprint and --all"),
        (["balances", "--retry", "--all", "--key=a"], "exactly one of"),
        (["balances", "--discard", "--all"], "--discard needs a --reason"),
        (["balances", "--discard", "--all", "--reason= "], "--discard needs a --reason"),
        (["--retry", "--all"], "name the subscription"),
    ],
)
async def test_what_is_not_clear_is_refused(
    api: FakeApi, kubectl: Kubectl, words: list[str], text: str
) -> None:
    answer = await kubectl("parked", "bank", *words)
    assert answer.code == 1
    assert text in answer.errors
    assert replays(api) == []


@pytest.mark.usefixtures("bank")
async def test_a_subscription_without_an_object_can_be_listed_too(
    api: FakeApi, kubectl: Kubectl
) -> None:
    async with listening(api, "bank-1", MANAGEMENT, {PARKED: {"parked": [parked(2)]}}):
        api.remove(f"{GROUP}/subscriptions/bank-balances")
        assert "DataError" in (await kubectl("parked", "bank", "balances")).output
