"""From one revision to the next, on the fake API server."""

from typing import Any

import pytest

from chekov_operator.children.workloads import deployment
from chekov_operator.controllers.bundle.check_result import with_result
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import (
    BUNDLE,
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    JOB,
    REVISION,
)
from chekov_operator.kube.objects import Object, label
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.fake_kubelet import rolled_out
from tests.operator.samples import older_record, target
from tests.operator.scene import FINE, Scene


@pytest.fixture
async def scene(api: FakeApi, client: Client, metrics: Metrics) -> Scene:
    return Scene(api, client, metrics)


def pods(scene: Scene) -> dict[str, int]:
    """The number of pods of each revision that has a Deployment."""
    return {
        str(label(body, "chekov.dev/revision")): body["spec"]["replicas"]
        for body in scene.all(DEPLOYMENT)
    }


async def check(scene: Scene) -> None:
    """Let the revision that the spec asks for pass its check."""
    await scene.begin_check()
    scene.end_check(FINE)


async def test_the_new_revision_grows_as_its_pods_serve_and_the_old_one_stays_without_pods(
    scene: Scene,
) -> None:
    scene.give_bank(replicas=3)
    await scene.serve()
    old = scene.status()["revision"]
    scene.give_bank(replicas=3, restartNonce="new")
    await check(scene)
    await scene.reconcile()
    new = scene.status()["revision"]
    assert pods(scene) == {old: 3, new: 1}
    await scene.reconcile()
    assert pods(scene) == {old: 3, new: 1}, "no pod of the new revision serves yet"
    seen = [pods(scene)]
    scene.roll_out()
    while await scene.reconcile():
        scene.roll_out()
        if pods(scene) not in seen:
            seen.append(pods(scene))
    assert all(sum(counts.values()) in (3, 4) for counts in seen)
    assert seen[-1] == {old: 0, new: 3}
    assert scene.condition("Ready")[:2] == ("True", "Serving")
    phases = {body["spec"]["revision"]: body["status"]["phase"] for body in scene.all(REVISION)}
    assert phases == {old: "Kept", new: "Serving"}


async def test_going_back_to_what_ran_needs_no_check(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    old = scene.status()["revision"]
    scene.give_bank(restartNonce="new")
    await check(scene)
    await scene.settle()
    scene.give_bank()
    await scene.settle()
    assert scene.status()["revision"] == old
    assert pods(scene)[old] == 2
    assert scene.condition("Ready")[:2] == ("True", "Serving")


def older_operators(scene: Scene, **spec: Any) -> Object:
    """Bring the bank to where an operator before BundleRevisions left it; return its pods."""
    revision = target(**spec)
    scene.give_bank(**spec)
    record = older_record(revision, FINE)
    scene.api.put(CONFIG_MAP.path("shops", f"bank-{revision.name}"), record)
    live = with_result(deployment(revision, name="bank"), FINE)
    path = DEPLOYMENT.path("shops", "bank")
    live = scene.api.put(path, live)
    scene.api.put(path, rolled_out(live))
    body = scene.one(BUNDLE, "bank")
    body["status"] = {"revision": revision.name, "completedRevision": revision.name}
    return live["spec"]["template"]["spec"]


INLINE: dict[str, Any] = {}
IMAGE: dict[str, Any] = {"code": {"image": "bank:1"}}


@pytest.mark.parametrize("spec", [INLINE, IMAGE], ids=["inline", "image"])
async def test_what_an_older_operator_left_is_taken_over_without_new_pods(
    scene: Scene, spec: dict[str, Any]
) -> None:
    before = older_operators(scene, **spec)
    await scene.settle()
    (record,) = scene.all(REVISION)
    assert record["status"]["check"] == FINE
    (live,) = scene.all(DEPLOYMENT)
    assert live["metadata"]["name"] == "bank"
    assert live["spec"]["template"]["spec"].keys() == before.keys()
    assert scene.all(JOB) == [], "it was checked already"
    owners = [
        owner["kind"]
        for body in scene.all(CONFIG_MAP)
        for owner in body["metadata"]["ownerReferences"]
    ]
    assert ("BundleRevision" in owners) is (spec is INLINE)
    assert len(scene.all(CONFIG_MAP)) == (spec is INLINE)
    assert scene.condition("Ready")[:2] == ("True", "Serving")


async def test_the_next_revision_takes_over_from_an_older_operators_deployment(
    scene: Scene,
) -> None:
    older_operators(scene)
    await scene.settle()
    old = scene.status()["revision"]
    scene.give_bank(restartNonce="new")
    await check(scene)
    await scene.settle()
    new = scene.status()["revision"]
    assert pods(scene) == {old: 0, new: 2}
    assert scene.one(DEPLOYMENT, "bank")["spec"]["replicas"] == 0
    assert [body["metadata"]["name"] for body in scene.all(DISRUPTION_BUDGET)] == [f"bank-{new}"]
