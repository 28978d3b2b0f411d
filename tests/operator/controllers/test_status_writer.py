"""Writing a status once, and an Event when readiness changes."""

import pytest

from chekov_operator.api.conditions import Condition
from chekov_operator.controllers.plan import Plan
from chekov_operator.controllers.status_writer import StatusWriter
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import BUNDLE, EVENT
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.samples import store_body
from tests.operator.scene import MAIN, Scene


@pytest.fixture
async def scene(api: FakeApi, client: Client, metrics: Metrics) -> Scene:
    return Scene(api, client, metrics)


def paths(writes: list[str]) -> list[str]:
    """The last two parts of each path that was written, with the method."""
    return sorted(f"{line.split()[0]} {'/'.join(line.split('/')[-2:])}" for line in writes)


async def test_progress_is_written_to_the_status_only_and_once(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    await scene.reconcile()
    scene.databases.position = 15
    assert paths(await scene.reconcile()) == ["PATCH bank/status"]
    assert scene.status()["lag"] == 5
    assert await scene.reconcile() == []


def events(scene: Scene) -> list[tuple[str, str]]:
    found = sorted(scene.all(EVENT), key=lambda event: int(event["metadata"]["resourceVersion"]))
    return [(event["type"], event["reason"]) for event in found]


async def test_a_store_that_needs_attention_emits_a_warning(scene: Scene) -> None:
    scene.databases.away = True
    scene.give(store_body())
    await scene.reconcile(MAIN)
    scene.databases.away, scene.databases.version = False, 0
    await scene.reconcile(MAIN)
    scene.databases.version = 1
    await scene.reconcile(MAIN)
    assert events(scene) == [
        ("Warning", "Unreachable"),
        ("Normal", "Available"),
    ]


async def test_only_that_a_bundle_becomes_ready_or_is_no_longer_is_news(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    assert events(scene) == [("Normal", "Serving")]
    scene.give_bank(restartNonce="1")
    await scene.reconcile()
    assert events(scene) == [("Normal", "Serving"), ("Normal", "Checking")]


async def test_what_happened_is_told_even_if_the_status_is_as_before(
    api: FakeApi, client: Client, scene: Scene
) -> None:
    scene.give_bank()
    await scene.serve()
    body = scene.one(BUNDLE, "bank")
    kept = Plan(keep_status=True, conditions=[])
    status = {name: value for name, value in body["status"].items() if name != "conditions"}
    same = Plan(
        status=status,
        conditions=[
            Condition(item["type"], item["status"], item["reason"], item["message"])
            for item in body["status"]["conditions"]
        ],
        events=[("RolloutStep", "step 1 of 2")],
    )
    api.requests.clear()
    writer = StatusWriter(client, scene.cache, "operator-1")
    await writer.write(BUNDLE, body, kept)
    assert api.writes() == []
    await writer.write(BUNDLE, body, same)
    assert paths(api.writes()) == ["POST shops/events"]
