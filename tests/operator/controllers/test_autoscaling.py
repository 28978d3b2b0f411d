"""An autoscaler comes and goes with the spec; what it cannot do, the operator does."""

from typing import Any

import pytest

from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import AUTOSCALER, BUNDLE
from chekov_operator.kube.objects import Object
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.samples import bundle_body
from tests.operator.scene import FINE, NAMESPACE, Scene

SCALED: dict[str, Any] = {"maxReplicas": 4, "targetLag": 10}
PATH = AUTOSCALER.path(NAMESPACE, "bank")
SCALE = BUNDLE.path(NAMESPACE, "bank", "scale")


@pytest.fixture
def scene(api: FakeApi, client: Client, metrics: Metrics) -> Scene:
    return Scene(api, client, metrics)


def replicas(scene: Scene) -> int:
    return scene.one(BUNDLE, "bank")["spec"]["replicas"]


async def test_it_is_made_once_there_are_pods_and_is_then_left_alone(scene: Scene) -> None:
    scene.give_bank(autoscaling=SCALED)
    await scene.begin_check()
    assert PATH not in scene.api.objects
    scene.end_check(FINE)
    await scene.settle()
    assert scene.one(AUTOSCALER, "bank")["spec"]["minReplicas"] == 1
    assert scene.status()["autoscaling"] == {"minReplicas": 1}
    assert replicas(scene) == 2


async def test_its_minimum_follows_the_lag(scene: Scene) -> None:
    scene.give_bank(autoscaling=SCALED)
    await scene.serve()
    scene.databases.position = 1000
    await scene.reconcile()
    # One subscription in one partition.
    assert scene.status()["autoscaling"]["lagReplicas"] == 1
    assert scene.one(AUTOSCALER, "bank")["spec"]["minReplicas"] == 1


async def test_it_goes_when_the_spec_no_longer_asks_for_it(scene: Scene) -> None:
    scene.give_bank(autoscaling=SCALED)
    await scene.serve()
    scene.give(bundle_body(replicas=3))
    await scene.reconcile()
    assert PATH not in scene.api.objects
    assert "autoscaling" not in scene.status()


async def test_a_bundle_without_commands_has_no_pod_while_it_waits_for_nothing(
    scene: Scene,
) -> None:
    watching: Object = {**FINE, "commands": [], "handled": ["opened"]}
    scene.give_bank(replicas=1, autoscaling={**SCALED, "minReplicas": 0})
    await scene.begin_check()
    scene.end_check(watching)
    await scene.settle()
    scene.databases.waiting = False
    await scene.settle()
    assert replicas(scene) == 0
    scene.databases.waiting = True
    assert f"PATCH {SCALE}" in await scene.reconcile()
    assert replicas(scene) == 1


async def test_a_bundle_with_commands_always_has_a_pod(scene: Scene) -> None:
    scene.give_bank(replicas=1, autoscaling={**SCALED, "minReplicas": 0})
    await scene.serve()
    await scene.reconcile()
    assert replicas(scene) == 1
