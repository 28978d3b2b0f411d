"""A revision that cannot work with what is stored never serves, on the fake API server."""

from typing import Any

import pytest

from chekov.serialization.frame import framed
from chekov.serialization.json import to_json
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import DEPLOYMENT, JOB, POD, REVISION, STORE
from chekov_operator.kube.objects import Object, label
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.fake_kubelet import READABLE, ended_pod
from tests.operator.scene import FINE, NAMESPACE, Scene

UNREADABLE: Object = {
    "compatibility": "Incompatible",
    "reason": "Undecodable",
    "message": "Opened at account-7 version 1 (position 3): its content does not fit",
}


@pytest.fixture
async def scene(api: FakeApi, client: Client, metrics: Metrics) -> Scene:
    """A bank that serves, whose store holds events by now."""
    scene = Scene(api, client, metrics)
    scene.give_bank()
    await scene.serve()
    scene.one(STORE, "main")["status"]["position"] = 9
    await scene.settle()
    return scene


async def change(scene: Scene, **spec: Any) -> str:
    """Ask for a new revision, let its check pass and its gate begin; return the old one."""
    old = str(scene.status()["revision"])
    scene.give_bank(restartNonce="new", **spec)
    await scene.begin_check()
    scene.end_check(FINE)
    await scene.settle()
    return old


async def end_gate(scene: Scene, result: Object) -> None:
    """Let the pod of the gate say something and end."""
    (job,) = [item for item in scene.all(JOB) if "-gate-" in item["metadata"]["name"]]
    path = POD.path(NAMESPACE, f"{job['metadata']['name']}-1")
    pod = ended_pod(job, result)
    del pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
    scene.api.put(path, pod)
    scene.api.logs[path] = f"a line of the code\n{framed(to_json(result))}\n"
    await scene.settle()


def served(scene: Scene) -> dict[str, int]:
    """The number of pods of each revision that has any."""
    return {
        str(label(body, "chekov.dev/revision")): body["spec"]["replicas"]
        for body in scene.all(DEPLOYMENT)
        if body["spec"]["replicas"]
    }


def revision(scene: Scene, *, other_than: str) -> Object:
    (found,) = [b for b in scene.all(REVISION) if b["spec"]["revision"] != other_than]
    return found


async def test_the_running_revision_is_untouched_until_the_gate_has_an_answer(
    scene: Scene,
) -> None:
    old = await change(scene)
    assert served(scene) == {old: 2}
    assert scene.condition("SchemaCompatible")[:2] == ("Unknown", "Gating")
    assert scene.condition("Ready")[:2] == ("False", "Gating")
    assert scene.status()["phase"] == "Checking"


async def test_what_can_be_read_is_rolled_out(scene: Scene) -> None:
    old = await change(scene)
    await end_gate(scene, READABLE)
    new = revision(scene, other_than=old)
    assert served(scene) == {new["spec"]["revision"]: 2}
    assert new["status"]["gate"]["reason"] == "Readable"
    assert scene.condition("SchemaCompatible") == ("True", "Readable", "9 events")
    assert scene.all(JOB) == []
    assert scene.condition("Ready")[:2] == ("True", "Serving")


async def test_what_cannot_be_read_never_gets_a_pod(scene: Scene) -> None:
    old = await change(scene)
    await end_gate(scene, UNREADABLE)
    assert served(scene) == {old: 2}
    status, reason, message = scene.condition("SchemaCompatible")
    assert (status, reason) == ("False", "Undecodable")
    assert "Opened at account-7 version 1 (position 3)" in message
    assert scene.status()["phase"] == "Refused"
    assert scene.condition("Degraded")[0] == "True"
    assert f"Revision {old} continues to serve" in scene.condition("Ready")[2]
    refused = revision(scene, other_than=old)
    assert refused["status"]["phase"] == "Refused"
    assert refused["status"]["gate"]["message"] == UNREADABLE["message"]
    assert scene.all(JOB) == [], "its answer is stored"
    assert await scene.reconcile() == []


async def test_with_warn_it_is_rolled_out_all_the_same(scene: Scene) -> None:
    old = await change(scene, compatibility="Warn")
    await end_gate(scene, UNREADABLE)
    new = revision(scene, other_than=old)["spec"]["revision"]
    assert served(scene) == {new: 2}
    status, reason, message = scene.condition("SchemaCompatible")
    assert (status, reason) == ("False", "Undecodable")
    assert "it was rolled out, since spec.compatibility is not Enforce" in message


async def test_with_skip_no_gate_is_made(scene: Scene) -> None:
    old = await change(scene, compatibility="Skip")
    new = revision(scene, other_than=old)["spec"]["revision"]
    assert served(scene) == {new: 2}


async def test_going_back_is_gated_by_what_the_newer_code_stored(scene: Scene) -> None:
    old = await change(scene)
    await end_gate(scene, READABLE)
    new = str(scene.status()["revision"])
    scene.give_bank()
    await scene.settle()
    assert served(scene) == {new: 2}
    await end_gate(scene, UNREADABLE)
    assert served(scene) == {new: 2}
    assert f"revision {old} cannot work with what is stored" in scene.condition("Ready")[2]


async def test_a_lost_log_has_the_gate_made_again(scene: Scene) -> None:
    old = await change(scene)
    (job,) = scene.all(JOB)
    pod = ended_pod(job, {"ok": True})
    del pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = (
        "2026-11-24T10:00:00Z"
    )
    path = POD.path(NAMESPACE, f"{job['metadata']['name']}-1")
    scene.api.put(path, pod)
    scene.api.logs[path] = "nothing of ours"
    await scene.reconcile()
    assert scene.condition("SchemaCompatible")[:2] == ("Unknown", "GateCannotRun")
    assert scene.all(JOB) == [], "it is deleted, and made anew"
    await scene.settle()
    assert served(scene) == {old: 2}
    await end_gate(scene, READABLE)
    assert old not in served(scene)
