"""A spec that changes while a rollout is under way, on the fake API server."""

from typing import Any

import pytest

from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import BUNDLE, DEPLOYMENT, SECRET, STORE
from chekov_operator.kube.objects import Object, label
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.scene import BROKEN, FINE, NAMESPACE, Scene

LONG_AGO = "2026-11-24T10:00:00Z"
STEPS: dict[str, Any] = {
    "replicas": 4,
    "rollout": {"steps": [{"share": 25, "pauseSeconds": 600}], "progressDeadlineSeconds": 60},
}


@pytest.fixture
async def scene(api: FakeApi, client: Client, metrics: Metrics) -> Scene:
    return Scene(api, client, metrics)


@pytest.fixture
async def revisions(scene: Scene) -> tuple[str, str]:
    """A revision that serves, and the next one, which has reached its first step."""
    scene.give_bank(**STEPS)
    await scene.serve()
    scene.one(STORE, "main")["status"]["position"] = 9
    old = str(scene.status()["revision"])
    scene.give(_with(scene, restartNonce="second"))
    await scene.begin_check()
    scene.end_check(FINE)
    await scene.settle()
    scene.end_gate()
    await scene.settle()
    new = str(scene.status()["revision"])
    assert served(scene) == {old: 3, new: 1}
    return old, new


def _with(scene: Scene, **spec: Any) -> Object:
    """The bank with fields of its spec changed."""
    body = scene.one(BUNDLE, "bank")
    return {**body, "spec": {**body["spec"], **spec}}


def served(scene: Scene) -> dict[str, int]:
    """The number of pods of each revision that has any."""
    return {
        str(label(body, "chekov.dev/revision")): body["spec"]["replicas"]
        for body in scene.all(DEPLOYMENT)
        if body["spec"]["replicas"]
    }


def pass_time(scene: Scene) -> None:
    status = scene.one(BUNDLE, "bank")["status"]
    status["rollout"] |= {"since": LONG_AGO, "progressTime": LONG_AGO}


async def test_all_pods_stay_as_they_are_until_the_next_revision_may_run(
    scene: Scene, revisions: tuple[str, str]
) -> None:
    old, new = revisions
    scene.give(_with(scene, restartNonce="third"))
    await scene.begin_check()
    await scene.settle()
    assert served(scene) == {old: 3, new: 1}, "the old revision has not been asked"
    rollout = scene.status()["rollout"]
    assert (rollout["to"], rollout["state"], rollout["share"]) == (new, "Held", 25)
    assert scene.condition("Ready")[:2] == ("False", "Checking")
    assert scene.condition("Degraded")[0] == "False"
    scene.end_check(FINE)
    await scene.settle()
    assert served(scene) == {old: 3, new: 1}
    assert scene.condition("SchemaCompatible")[1] == "Gating"
    scene.end_gate()
    await scene.settle()
    third = scene.status()["revision"]
    assert served(scene) == {old: 3, third: 1}
    assert scene.status()["rollout"]["from"] == old


async def test_they_stay_also_if_it_never_may(scene: Scene, revisions: tuple[str, str]) -> None:
    old, new = revisions
    scene.give(_with(scene, restartNonce="third"))
    await scene.begin_check()
    scene.end_check(BROKEN)
    await scene.settle()
    assert scene.status()["phase"] == "Refused"
    assert served(scene) == {old: 3, new: 1}
    scene.give(_with(scene, suspend=True))
    await scene.settle()
    assert served(scene) == {}
    scene.give(_with(scene, suspend=False))
    await scene.settle()
    assert served(scene) == {old: 3, new: 1}


async def test_before_it_goes_back_the_old_revision_reads_what_the_one_between_stored(
    scene: Scene, revisions: tuple[str, str]
) -> None:
    old, _ = revisions
    scene.give(_with(scene, restartNonce="third"))
    await scene.begin_check()
    scene.end_check(FINE)
    await scene.settle()
    scene.end_gate()
    # No pod of it becomes ready.
    for _ in range(3):
        await scene.reconcile()
    pass_time(scene)
    await scene.reconcile()
    assert scene.status()["rollout"]["state"] == "Gating"
    (gate,) = scene.jobs("gate")
    assert gate["metadata"]["name"] == f"bank-gate-{old}"


async def test_a_revert_amid_a_rollout_goes_through_the_gate(
    scene: Scene, revisions: tuple[str, str]
) -> None:
    old, new = revisions
    reverted = _with(scene)
    del reverted["spec"]["restartNonce"]
    scene.give(reverted)
    await scene.settle()
    assert served(scene) == {old: 3, new: 1}
    assert scene.condition("SchemaCompatible")[1] == "Gating"
    scene.end_gate()
    await scene.settle()
    assert served(scene) == {old: 4}
    assert "rollout" not in scene.status()
    assert scene.condition("Ready")[:2] == ("True", "Serving")


async def test_a_rollout_waits_for_what_its_spec_names_and_goes_on(
    scene: Scene, revisions: tuple[str, str]
) -> None:
    old, new = revisions
    secret = SECRET.path(NAMESPACE, "keys")
    scene.give(_with(scene, imagePullSecrets=[{"name": "keys"}]))
    await scene.settle()
    assert scene.condition("Ready")[1] == "SecretNotFound"
    assert served(scene) == {old: 3, new: 1}
    assert scene.status()["rollout"]["state"] == "Held"
    scene.api.put(secret, {"data": {}})
    await scene.settle()
    assert served(scene) == {old: 3, new: 1}
    assert scene.status()["rollout"]["state"] == "Waiting"


@pytest.mark.parametrize("compatibility", ["Enforce", "Skip"])
async def test_the_old_revision_keeps_its_pods_while_something_is_missing(
    scene: Scene, revisions: tuple[str, str], compatibility: str
) -> None:
    old, new = revisions
    scene.give(_with(scene, compatibility=compatibility))
    await scene.settle()
    scene.give(_with(scene, imagePullSecrets=[{"name": "keys"}]))
    await scene.settle()
    assert scene.condition("Ready")[1] == "SecretNotFound"
    assert served(scene) == {old: 3, new: 1}


async def test_a_suspended_rollout_goes_on_where_it_was(
    scene: Scene, revisions: tuple[str, str]
) -> None:
    old, new = revisions
    pass_time(scene)
    scene.give(_with(scene, rollout={"steps": [{"share": 25}, {"share": 50, "pauseSeconds": 600}]}))
    await scene.settle()
    assert served(scene) == {old: 2, new: 2}
    steps = [{"share": 25, "pauseSeconds": 600}, {"share": 50, "pauseSeconds": 600}]
    scene.give(_with(scene, suspend=True, rollout={"steps": steps}))
    await scene.settle()
    assert served(scene) == {}
    assert scene.condition("Ready")[:2] == ("True", "Suspended")
    scene.give(_with(scene, suspend=False))
    await scene.settle()
    assert served(scene) == {old: 2, new: 2}
    assert scene.status()["rollout"]["state"] == "Waiting"
