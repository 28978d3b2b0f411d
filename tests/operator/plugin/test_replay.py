"""`kubectl chekov replay`: a Replay is made, and waited for."""

import asyncio

import pytest

from chekov_operator.kube.objects import Object
from tests.operator.fake_api import FakeApi
from tests.operator.plugin.conftest import Kubectl
from tests.operator.plugin.objects import condition, put_bundle, put_subscription
from tests.waiting import until


@pytest.fixture(autouse=True)
def bank(api: FakeApi) -> None:
    put_bundle(api)
    put_subscription(api, "balances", state="live")


def path_of_replay(api: FakeApi) -> str | None:
    return next((path for path in api.objects if "/replays/" in path), None)


@pytest.mark.parametrize(
    ("words", "spec"),
    [
        ([], {"from": "origin"}),
        (["--from=1200"], {"from": "1200"}),
        (["--in-place", "--from=2026-01-31T08:00:00Z"],
         {"from": "2026-01-31T08:00:00Z", "mode": "InPlace"}),
    ],
)  # fmt: skip
async def test_a_replay_is_made(
    api: FakeApi, kubectl: Kubectl, words: list[str], spec: Object
) -> None:
    answer = await kubectl("replay", "bank", "balances", *words)
    path = path_of_replay(api)
    assert path is not None
    assert api.objects[path]["spec"] == {"subscriptionRef": {"name": "bank-balances"}, **spec}
    assert answer.output == f"replay {path.rpartition('/')[2]} was made\n"


async def ended(api: FakeApi, phase: str, **condition_: str) -> None:
    """Let the operator report how a Replay ended, once somebody watches it."""
    await until(lambda: path_of_replay(api) and api.watches.opened == 1)
    path = path_of_replay(api)
    assert path is not None
    api.put(path, {**api.objects[path], "status": {"phase": "Running", "percent": 40}})
    conditions = [condition(phase, **condition_)]
    api.put(path, {**api.objects[path], "status": {"phase": phase, "conditions": conditions}})


async def test_one_that_completes_is_waited_for(api: FakeApi, kubectl: Kubectl) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(kubectl("replay", "bank", "balances", "--wait"))
        await ended(api, "Complete", message="12 events were handled")
    assert waiting.result().code == 0
    assert waiting.result().output.endswith(": 12 events were handled\n")


async def test_one_that_fails_is_a_failure(api: FakeApi, kubectl: Kubectl) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(kubectl("replay", "bank", "balances", "--wait"))
        await ended(api, "Failed", reason="NotReplayable", message="it has no tables")
    assert waiting.result().code == 1
    assert "failed: NotReplayable: it has no tables" in waiting.result().errors


async def test_one_that_is_deleted_is_no_longer_waited_for(api: FakeApi, kubectl: Kubectl) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(kubectl("replay", "bank", "balances", "--wait"))
        await until(lambda: path_of_replay(api) and api.watches.opened == 1)
        api.remove(path_of_replay(api) or "")
    assert waiting.result().code == 1
    assert "was deleted; what it began goes on" in waiting.result().errors


async def test_the_time_of_waiting_ends(kubectl: Kubectl) -> None:
    answer = await kubectl("replay", "bank", "balances", "--wait", "--timeout=0.05")
    assert answer.code == 1
    assert "goes on; it was not complete after 0.05 s" in answer.errors


async def test_what_the_api_server_refuses_is_its_sentence(api: FakeApi, kubectl: Kubectl) -> None:
    api.fail("POST", "/replays", 422, "spec.from: expected origin, a position or a time")
    answer = await kubectl("replay", "bank", "balances", "--from=soon")
    assert answer.code == 1
    assert answer.errors == ("kubectl chekov: spec.from: expected origin, a position or a time\n")
