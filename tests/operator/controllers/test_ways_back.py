"""A revision gives its place back if the old one reads what it stored, on the fake API server."""

from typing import Any

import pytest

from chekov.store.port import CommandFigures
from chekov_operator.children.workloads import GATE
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import BUNDLE, DEPLOYMENT, EVENT, STORE
from chekov_operator.kube.objects import Object, label
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.scene import FINE, NAMESPACE, Scene

UNREADABLE: Object = {
    "compatibility": "Incompatible",
    "reason": "UnknownType",
    "message": "Closed at account-7 version 4 (position 12): no class of that name",
}
LONG_AGO = "2026-11-24T10:00:00Z"
STEPS: dict[str, Any] = {
    "replicas": 4,
    "rollout": {"steps": [{"share": 25, "pauseSeconds": 600}]},
}


@pytest.fixture
async def scene(api: FakeApi, client: Client, metrics: Metrics) -> Scene:
    return Scene(api, client, metrics)


async def begin(scene: Scene, **spec: Any) -> tuple[str, str]:
    """Let a revision reach its first step beside one whose store holds events; return both."""
    wanted = {**STEPS, **spec}
    scene.give_bank(**wanted)
    await scene.serve()
    scene.one(STORE, "main")["status"]["position"] = 9
    await scene.settle()
    old = str(scene.status()["revision"])
    scene.give(_with(scene, **wanted, restartNonce="new"))
    await scene.begin_check()
    scene.end_check(FINE)
    await scene.settle()
    if scene.jobs(GATE):
        scene.end_gate()
    await scene.settle()
    return old, str(scene.status()["revision"])


def _with(scene: Scene, **spec: Any) -> Object:
    """The bank with fields of its spec changed."""
    body = scene.one(BUNDLE, "bank")
    return {**body, "spec": {**body["spec"], **spec}}


def executed(revision: str, commands: int, failures: int) -> CommandFigures:
    return CommandFigures(f"{revision}/1", "bank", revision, commands, failures, [0, 0, commands])


async def fail(scene: Scene, old: str, new: str) -> None:
    """Let half of the new revision's commands fail."""
    scene.databases.figures = [executed(old, 9900, 0), executed(new, 300, 150)]
    await scene.settle()


def served(scene: Scene) -> dict[str, int]:
    """The number of pods of each revision that has any."""
    return {
        str(label(body, "chekov.dev/revision")): body["spec"]["replicas"]
        for body in scene.all(DEPLOYMENT)
        if body["spec"]["replicas"]
    }


def rollout(scene: Scene) -> Object:
    return scene.status()["rollout"]


def annotate(scene: Scene, **annotations: str) -> None:
    body = scene.one(BUNDLE, "bank")
    names = {f"chekov.dev/{name}": value for name, value in annotations.items()}
    changed = {**body, "metadata": {**body["metadata"], "annotations": names}}
    scene.api.put(BUNDLE.path(NAMESPACE, "bank"), changed)


def told(scene: Scene) -> list[tuple[str, str]]:
    """Reason and message of each Event."""
    return [(event["reason"], event["message"]) for event in scene.all(EVENT)]


async def test_nothing_moves_while_the_old_revision_is_tried(scene: Scene) -> None:
    old, new = await begin(scene)
    assert served(scene) == {old: 3, new: 1}
    await fail(scene, old, new)
    assert served(scene) == {old: 3, new: 1}
    assert (rollout(scene)["state"], scene.status()["phase"]) == ("Gating", "Gating")
    assert scene.condition("Ready")[:2] == ("False", "WorseThanBefore")
    assert f"first revision {old} is tried" in scene.condition("Ready")[2]
    assert scene.condition("Progressing")[0] == "True"
    assert "Stalled" not in {item["type"] for item in scene.status()["conditions"]}
    (job,) = scene.jobs(GATE)
    assert job["metadata"]["name"] == f"bank-gate-{old}"
    assert await scene.reconcile() == []


async def test_it_goes_back_if_the_old_revision_reads_what_is_stored(scene: Scene) -> None:
    old, new = await begin(scene)
    await fail(scene, old, new)
    scene.end_gate()
    await scene.settle()
    assert served(scene) == {old: 4}
    assert rollout(scene)["state"] == "Returned"
    assert "gave its place back" in scene.condition("Stalled")[2]
    assert scene.jobs(GATE) == []


async def test_it_stays_and_says_so_if_the_old_revision_cannot(scene: Scene) -> None:
    old, new = await begin(scene)
    await fail(scene, old, new)
    scene.end_gate(UNREADABLE)
    await scene.settle()
    assert served(scene) == {old: 3, new: 1}
    assert (rollout(scene)["state"], scene.status()["phase"]) == ("Stalled", "Stalled")
    for name, status in (("Ready", "False"), ("Stalled", "True"), ("Degraded", "True")):
        assert scene.condition(name)[:2] == (status, "CannotGoBack")
        message = scene.condition(name)[2]
        assert "failed 150 of 300 commands" in message
        assert f"revision {old} cannot work with what is stored" in message
        assert "Closed at account-7 version 4 (position 12)" in message
        assert "set spec.compatibility to Warn" in message
    assert any(reason == "CannotGoBack" and "(position 12)" in said for reason, said in told(scene))
    assert scene.jobs(GATE) == [], "its answer is in the status"
    assert await scene.reconcile() == []


async def test_a_stalled_rollout_goes_back_once_it_may(scene: Scene) -> None:
    old, new = await begin(scene)
    await fail(scene, old, new)
    scene.end_gate(UNREADABLE)
    await scene.settle()
    scene.give(_with(scene, compatibility="Warn"))
    await scene.settle()
    scene.end_gate(UNREADABLE)
    await scene.settle()
    assert served(scene) == {old: 4}
    assert scene.condition("Stalled")[1] == "WorseThanBefore"
    assert "Closed at account-7 version 4 (position 12)" in scene.condition("Stalled")[2]


async def test_a_stalled_rollout_goes_on_once_it_is_promoted(scene: Scene) -> None:
    old, new = await begin(scene)
    await fail(scene, old, new)
    scene.end_gate(UNREADABLE)
    await scene.settle()
    annotate(scene, promote=new)
    await scene.settle()
    assert served(scene) == {new: 4}
    assert scene.condition("Ready")[:2] == ("True", "Serving")
    assert scene.status()["completedRevision"] == new


async def test_a_gate_that_cannot_answer_keeps_no_bad_revision(scene: Scene) -> None:
    old, new = await begin(scene)
    await fail(scene, old, new)
    scene.end_gate({"compatibility": "Unknown", "reason": "Away", "message": "no database"})
    await scene.settle()
    assert (rollout(scene)["state"], served(scene)) == ("Gating", {old: 3, new: 1})
    (job,) = scene.jobs(GATE)
    # It was asked long ago; the answer is to that question.
    long_ago = {**rollout(scene), "since": LONG_AGO}
    scene.one(BUNDLE, "bank")["status"]["rollout"] = long_ago
    await scene.settle()
    assert served(scene) == {old: 4}
    assert "its gate gave no answer within 120 s" in scene.condition("Stalled")[2]
    assert job["metadata"]["name"] not in {each["metadata"]["name"] for each in scene.jobs(GATE)}


async def test_a_revision_is_undone_only_if_the_one_before_reads_what_it_stored(
    scene: Scene,
) -> None:
    old, new = await begin(scene, rollout={})
    assert served(scene) == {new: 4}
    annotate(scene, undo=new)
    await scene.settle()
    assert served(scene) == {new: 4}
    assert scene.condition("Ready")[:2] == ("False", "Undone")
    scene.end_gate(UNREADABLE)
    await scene.settle()
    assert served(scene) == {new: 4}
    assert scene.condition("Stalled")[:2] == ("True", "CannotGoBack")
    assert scene.status()["completedRevision"] == new
    annotate(scene)
    await scene.settle()
    assert scene.condition("Ready")[:2] == ("True", "Serving")
    annotate(scene, undo=new)
    await scene.settle()
    scene.end_gate()
    await scene.settle()
    assert served(scene) == {old: 4}, "each return asks anew"
    assert scene.status()["completedRevision"] == old


async def test_a_held_rollout_is_suspended_and_scaled_like_any_other(scene: Scene) -> None:
    old, new = await begin(scene)
    await fail(scene, old, new)
    scene.end_gate(UNREADABLE)
    await scene.settle()
    scene.give(_with(scene, replicas=6))
    await scene.settle()
    assert served(scene) == {old: 5, new: 1}
    scene.give(_with(scene, suspend=True))
    await scene.settle()
    assert served(scene) == {}
    scene.give(_with(scene, suspend=False))
    await scene.settle()
    assert served(scene) == {old: 5, new: 1}, "it is held as before"


async def test_with_skip_nothing_is_asked(scene: Scene) -> None:
    old, new = await begin(scene, compatibility="Skip")
    await fail(scene, old, new)
    assert served(scene) == {old: 4}
