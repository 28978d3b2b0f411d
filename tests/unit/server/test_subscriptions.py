"""The management port shows, pauses and resumes subscriptions, with a token where one is set."""

import pytest
from aiohttp.test_utils import TestClient, TestServer

from chekov import Domain
from chekov.server.lifecycle import Lifecycle
from chekov.server.management import Management
from chekov.server.metrics import Metrics
from chekov.store.port import SubscriptionKey
from tests.unit.server.conftest import Account, Server, Serving
from tests.waiting import until

OPEN = {"account_id": "0192f0c1-0000-7000-8000-000000000001", "owner": "Ada"}
TOKEN = "a secret token"


def state(server: Server) -> str:
    (status,) = server.runtime.subscriptions.values()
    return status.state


async def test_a_subscription_is_paused_and_resumed(serving: Serving) -> None:
    async with serving() as server:
        paused = await server.management.post("/subscriptions/welcome/pause")
        assert paused.status == 204
        await until(lambda: state(server) == "paused")
        response = await server.api.post("/commands/OpenAccount", json=OPEN)
        assert response.status == 200
        assert (await server.management.post("/subscriptions/welcome/resume")).status == 204
        await server.runtime.wait(1)
        await until(lambda: state(server) == "live")


async def test_a_handler_begins_again(serving: Serving) -> None:
    path = "/subscriptions/welcome/rewind"
    async with serving() as server:
        await server.api.post("/commands/OpenAccount", json=OPEN, headers={"Prefer": "wait=30"})
        post = server.management.post
        answer = await post(f"{path}?from=origin")
        assert (answer.status, await answer.json()) == (200, {"position": 0})
        assert (await post(f"{path}?from=yesterday")).status == 400
        answer = await post(f"{path}?from=99")
        assert answer.status == 409
        assert (await answer.json())["type"] == "urn:chekov:problem:rewind-refused"


async def test_parked_events_are_listed(serving: Serving) -> None:
    async with serving(CHEKOV_RETRY_ATTEMPTS="1") as server:
        server.welcome.failure = "no greeting today"
        await server.api.post("/commands/OpenAccount", json=OPEN, headers={"Prefer": "wait=30"})
        listed = await (await server.management.get("/subscriptions/welcome/parked")).json()
        assert [(item["position"], item["attempts"]) for item in listed["parked"]] == [(1, 1)]
        assert "no greeting today" in listed["parked"][0]["error"]
        assert listed["parked"][0]["subscription"]["name"] == "welcome"


async def test_parked_events_are_grouped_retried_and_discarded(serving: Serving) -> None:
    path = "/subscriptions/welcome"
    async with serving(CHEKOV_RETRY_ATTEMPTS="1") as server:
        get, post = server.management.get, server.management.post
        server.welcome.failure = "no greeting today"
        for number in (1, 2):
            account = f"0192f0c1-0000-7000-8000-00000000000{number}"
            opened = {"account_id": account, "owner": "Ada"}
            await server.api.post("/commands/OpenAccount", json=opened)

        async def parked() -> list[int]:
            listed = await (await get(f"{path}/parked")).json()
            return [item["position"] for item in listed["parked"]]

        async def both() -> bool:
            return await parked() == [1, 2]

        await until(both)
        [group] = (await (await get(f"{path}/parked/groups")).json())["groups"]
        assert (group["events"], group["first"], group["last"]) == (2, 1, 2)
        chosen = {"position": "2", "fingerprint": group["fingerprint"]}
        listed = await (await get(f"{path}/parked", params=chosen)).json()
        assert "no greeting today" in listed["parked"][0]["traceback"]
        server.welcome.failure = ""
        retried = await (await post(f"{path}/retry", params=chosen)).json()
        assert retried == {"positions": [2]}

        async def one() -> bool:
            return await parked() == [1]

        await until(one)
        reasons = {"position": "1", "reason": "a test"}
        discarded = await (await post(f"{path}/discard", params=reasons)).json()
        assert discarded == {"positions": [1]}
        found = (await (await get(f"{path}/discarded")).json())["discarded"]
        assert [(item["position"], item["reason"]) for item in found] == [(1, "a test")]


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("parked?keys=a", "unknown parameter 'keys'"),
        ("parked?position=x", "expected a whole number"),
        ("parked/groups?key=a", "unknown parameter 'key'"),
        ("retry?limit=0", "expected a whole number from 1 to 1000"),
        ("retry?reason=x", "unknown parameter 'reason'"),
        ("discard?key=a", "reason: expected why the events are given up"),
        ("discard?reason=%20", "reason: expected why the events are given up"),
        ("discarded?key=a", "unknown parameter 'key'"),
    ],
)
async def test_odd_parameters_are_refused(serving: Serving, query: str, fault: str) -> None:
    async with serving() as server:
        changes = query.startswith(("retry", "discard?"))
        send = server.management.post if changes else server.management.get
        response = await send(f"/subscriptions/welcome/{query}")
        assert response.status == 400
        assert fault in (await response.json())["detail"]


@pytest.mark.parametrize(
    "action",
    ["pause", "resume", "rewind?from=origin", "retry", "discard?reason=x", "remove?version=1"],
)
async def test_an_unknown_subscription_is_not_found(serving: Serving, action: str) -> None:
    async with serving() as server:
        response = await server.management.post(f"/subscriptions/wellcome/{action}")
        problem = await response.json()
    assert response.status == 404
    assert problem["type"] == "urn:chekov:problem:unknown-subscription"
    assert problem["subscription"] == "wellcome"
    assert "welcome" in problem["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, 204),
        ({"Authorization": f"bearer {TOKEN}"}, 204),
    ],
)
@pytest.mark.parametrize("action", ["pause", "resume"])
async def test_changing_one_requires_the_token_that_is_set(
    serving: Serving, action: str, headers: dict[str, str], status: int
) -> None:
    async with serving(CHEKOV_MANAGEMENT_TOKEN=TOKEN) as server:
        path = f"/subscriptions/welcome/{action}"
        response = await server.management.post(path, headers=headers)
        assert response.status == status
        if status == 401:
            assert response.headers["WWW-Authenticate"] == "Bearer"
            assert state(server) != "paused"
        shown = await server.management.get("/subscriptions", headers=headers)
        assert shown.status == (401 if status == 401 else 200)


@pytest.mark.parametrize("action", ["retry", "discard?reason=x"])
async def test_changing_parked_events_requires_the_token(serving: Serving, action: str) -> None:
    async with serving(CHEKOV_MANAGEMENT_TOKEN=TOKEN) as server:
        path = f"/subscriptions/welcome/{action}"
        assert (await server.management.post(path)).status == 401
        allowed = {"Authorization": f"Bearer {TOKEN}"}
        assert (await server.management.post(path, headers=allowed)).status == 200


async def test_removing_one_requires_the_token(serving: Serving) -> None:
    async with serving(CHEKOV_MANAGEMENT_TOKEN=TOKEN) as server:
        path = "/subscriptions/farewell/remove?version=2"
        assert (await server.management.post(path)).status == 401
        allowed = {"Authorization": f"Bearer {TOKEN}"}
        assert (await server.management.post(path, headers=allowed)).status == 404


async def test_before_the_runtime_is_open_the_reason_is_reported() -> None:
    domain = Domain("shop", aggregates=[Account])
    management = Management(domain, Metrics([], []), Lifecycle(), {})
    async with TestClient(TestServer(management.application())) as client:
        response = await client.get("/subscriptions")
        problem = await response.json()
    assert response.status == 503
    assert problem["type"] == "urn:chekov:problem:not-ready"
    assert problem["detail"] == "the process is starting"


async def test_what_nobody_has_any_more_is_listed_and_removed(serving: Serving) -> None:
    async with serving() as server:
        get, post = server.management.get, server.management.post
        key = SubscriptionKey(server.runtime.domain.name, "farewell", 2)
        await server.runtime.store.subscriptions.register([key])
        [found] = (await (await get("/subscriptions/abandoned")).json())["abandoned"]
        assert (found["name"], found["version"], found["schemas"]) == ("farewell", 2, [])
        assert (await post("/subscriptions/farewell/remove")).status == 400
        assert (await post("/subscriptions/farewell/remove?version=1")).status == 404
        refused = await post("/subscriptions/welcome/remove?version=1")
        assert refused.status == 409
        problem = await refused.json()
        assert problem["type"].endswith("subscription-in-use")
        assert len(problem["nodes"]) == 1
        assert (await post("/subscriptions/farewell/remove?version=2")).status == 204
        assert not (await (await get("/subscriptions/abandoned")).json())["abandoned"]
