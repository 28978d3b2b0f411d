"""From one revision to the next, on the fake API server."""

from typing import Any

import pytest

from chekov.store.port import CommandFigures
from chekov_operator.children.workloads import deployment
from chekov_operator.controllers.bundle.check_result import with_result
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import (
    BUNDLE,
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    EVENT,
    JOB,
    REVISION,
    STORE,
)
from chekov_operator.kube.objects import Object, label
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.fake_kubelet import rolled_out
from tests.operator.samples import older_record, target
from tests.operator.scene import BROKEN, FINE, MAIN, Scene


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


STEPS: dict[str, Any] = {
    "replicas": 4,
    "rollout": {"steps": [{"share": 25, "pauseSeconds": 60}], "progressDeadlineSeconds": 60},
}
LONG_AGO = "2026-11-24T10:00:00Z"


async def begin(scene: Scene, **spec: Any) -> tuple[str, str]:
    """Let one revision serve, and begin with the next; return both."""
    scene.give_bank(**spec)
    await scene.serve()
    old = scene.status()["revision"]
    scene.give_bank(**spec, restartNonce="new")
    await check(scene)
    await scene.reconcile()
    return old, scene.status()["revision"]


def pass_time(scene: Scene) -> None:
    """Let all that the rollout waits for be long ago."""
    rollout = scene.one(BUNDLE, "bank")["status"]["rollout"]
    scene.one(BUNDLE, "bank")["status"]["rollout"] = {
        **rollout,
        "since": LONG_AGO,
        "progressTime": LONG_AGO,
    }


def begin_to_start(scene: Scene) -> None:
    """Let the controller of Deployments see them, before any new pod is ready."""
    for live in scene.all(DEPLOYMENT):
        status = {**live["status"], "observedGeneration": live["metadata"]["generation"]}
        scene.api.put(
            DEPLOYMENT.path("shops", live["metadata"]["name"]), {**live, "status": status}
        )


def annotate(scene: Scene, **annotations: str) -> None:
    """Annotate the bank as `kubectl annotate` does."""
    body = scene.one(BUNDLE, "bank")
    names = {f"chekov.dev/{name}": value for name, value in annotations.items()}
    scene.api.put(
        BUNDLE.path("shops", "bank"),
        {**body, "metadata": {**body["metadata"], "annotations": names}},
    )


async def test_a_step_ends_after_its_pause(scene: Scene) -> None:
    old, new = await begin(scene, **STEPS)
    await scene.settle()
    assert pods(scene) == {old: 3, new: 1}
    rollout = scene.status()["rollout"]
    assert (rollout["from"], rollout["to"], rollout["state"]) == (old, new, "Waiting")
    assert (rollout["step"], rollout["steps"], rollout["pods"]) == (1, 2, "1/4")
    assert scene.condition("Ready")[:2] == ("False", "RollingOut")
    pass_time(scene)
    await scene.settle()
    assert pods(scene) == {old: 0, new: 4}
    assert "rollout" not in scene.status()
    assert scene.condition("Ready")[:2] == ("True", "Serving")
    steps = [event["message"] for event in scene.all(EVENT) if event["reason"] == "RolloutStep"]
    assert any("step 1 of 2" in message for message in steps)


async def test_a_revision_that_does_not_become_ready_gives_its_place_back(scene: Scene) -> None:
    old, new = await begin(scene)
    await scene.reconcile()
    pass_time(scene)
    await scene.reconcile()
    assert pods(scene) == {old: 2, new: 0}
    await scene.settle()
    assert scene.condition("Ready")[:2] == ("False", "RolloutTimedOut")
    assert f"Revision {old} continues to serve" in scene.condition("Ready")[2]
    assert scene.condition("Stalled")[0] == scene.condition("Degraded")[0] == "True"
    assert (scene.status()["revision"], scene.status()["phase"]) == (old, "Returned")
    for _ in range(3):
        assert await scene.reconcile() == [], "the same revision is not tried again"
    scene.give_bank(restartNonce="newer")
    await check(scene)
    await scene.settle()
    assert scene.status()["revision"] not in (old, new)
    assert scene.condition("Ready")[:2] == ("True", "Serving")
    assert "Stalled" not in {item["type"] for item in scene.status()["conditions"]}


def executed(revision: str, commands: int, failures: int) -> CommandFigures:
    """What the one process of a revision reports, whose commands all take the same time."""
    durations = [0, 0, commands]
    return CommandFigures(f"{revision}/1", "bank", revision, commands, failures, durations)


async def test_a_revision_whose_commands_fail_gives_its_place_back_within_its_step(
    scene: Scene,
) -> None:
    old, new = await begin(scene, **STEPS)
    scene.databases.figures = [executed(old, 9000, 9000)]
    await scene.settle()
    assert scene.databases.hurried, "both are compared while the step lasts"
    assert scene.status()["rollout"]["state"] == "Waiting"
    scene.databases.figures = [executed(old, 9900, 9000), executed(new, 100, 50)]
    await scene.settle()
    assert scene.status()["rollout"]["state"] == "Waiting", "too few commands"
    scene.databases.figures = [executed(old, 9900, 9000), executed(new, 300, 150)]
    await scene.settle()
    assert pods(scene) == {old: 4, new: 0}
    assert scene.condition("Ready")[:2] == ("False", "WorseThanBefore")
    assert "failed 150 of 300 commands" in scene.condition("Degraded")[2]


async def test_a_revision_that_went_back_is_not_tried_again_while_the_store_is_away(
    scene: Scene,
) -> None:
    old, new = await begin(scene)
    pass_time(scene)
    await scene.settle()
    assert scene.status()["rollout"]["state"] == "Returned"
    store = scene.one(STORE, "main")
    away = {"conditions": [{"type": "Ready", "status": "False", "reason": "Unreachable"}]}
    scene.api.put(STORE.path("shops", "main"), {**store, "status": away})
    await scene.settle()
    scene.api.put(STORE.path("shops", "main"), store)
    await scene.settle()
    assert pods(scene) == {old: 2, new: 0}


async def test_a_revision_is_undone_and_done_again(scene: Scene) -> None:
    old, new = await begin(scene)
    await scene.settle()
    assert pods(scene) == {old: 0, new: 2}
    annotate(scene, undo=new)
    await scene.reconcile()
    assert pods(scene) == {old: 2, new: 2}, "at once, and the new one serves until then"
    scene.roll_out()
    await scene.settle()
    assert pods(scene) == {old: 2, new: 0}
    assert scene.status()["revision"] == scene.status()["completedRevision"] == old
    assert scene.condition("Ready")[:2] == ("False", "Undone")
    assert scene.condition("Degraded")[0] == "False"
    annotate(scene)
    await scene.settle()
    assert pods(scene) == {old: 0, new: 2}
    assert scene.condition("Ready")[:2] == ("True", "Serving")


async def test_a_rollout_under_way_is_aborted_by_the_same_annotation(scene: Scene) -> None:
    old, new = await begin(scene, **STEPS)
    await scene.settle()
    annotate(scene, undo=new)
    await scene.settle()
    assert pods(scene) == {old: 4, new: 0}
    assert scene.status()["rollout"]["state"] == "Returned"


async def test_a_promoted_revision_waits_for_no_step(scene: Scene) -> None:
    old, new = await begin(scene, **STEPS)
    annotate(scene, promote=new)
    await scene.settle()
    assert pods(scene) == {old: 0, new: 4}
    assert scene.condition("Ready")[:2] == ("True", "Serving")


async def test_while_the_next_revision_is_checked_the_last_good_one_gets_the_pods(
    scene: Scene,
) -> None:
    old, new = await begin(scene)
    scene.give_bank(restartNonce="newer")
    await scene.begin_check()
    assert pods(scene) == {old: 2, new: 0}
    scene.end_check(BROKEN)
    await scene.settle()
    assert pods(scene) == {old: 2, new: 0}
    assert scene.status()["revision"] == old


async def test_a_rollout_waits_for_connections_and_goes_on_by_itself(scene: Scene) -> None:
    scene.give_bank(replicas=3, compatibility="Skip")
    scene.databases.connections = (40, 97)
    await scene.serve()
    old = scene.status()["revision"]
    await scene.reconcile(MAIN)
    assert scene.status(MAIN)["connections"] == {"limit": 97}
    scene.databases.connections = (90, 97)
    scene.give_bank(replicas=3, compatibility="Skip", restartNonce="new")
    await check(scene)
    await scene.settle()
    pass_time(scene)
    await scene.settle()
    new = scene.status()["revision"]
    assert pods(scene) == {old: 3, new: 0}
    assert scene.condition("Stalled")[:2] == ("True", "Connections")
    assert "15 database connections" in scene.condition("Stalled")[2]
    assert scene.status()["phase"] == "Stalled"
    assert scene.status()["rollout"]["connections"] == {"needed": 15, "used": 90, "limit": 97}
    assert [e["type"] for e in scene.all(EVENT) if e["reason"] == "Connections"] == ["Warning"]
    await scene.reconcile(MAIN)
    assert scene.status(MAIN)["connections"] == {"limit": 97, "used": 90, "needed": 15}
    for _ in range(3):
        assert await scene.reconcile() == [], "nothing moves"
    scene.databases.connections = (70, 97)
    await scene.settle()
    assert pods(scene) == {old: 0, new: 3}
    assert scene.condition("Ready")[:2] == ("True", "Serving")
    await scene.reconcile(MAIN)
    assert scene.status(MAIN)["connections"] == {"limit": 97}


async def test_a_server_that_refuses_the_operator_gets_no_more_pods_of_a_rollout(
    scene: Scene,
) -> None:
    spec: dict[str, Any] = {"replicas": 3, "compatibility": "Skip"}
    old, new = await begin(scene, **spec)
    scene.databases.away = True
    await scene.reconcile(MAIN)
    scene.roll_out()
    await scene.settle()
    assert pods(scene) == {old: 2, new: 1}, "the pod that serves takes the place of an old one"
    assert scene.condition("Progressing")[2] == "waiting for the EventStore"
    scene.databases.away = False
    await scene.reconcile(MAIN)
    await scene.settle()
    assert pods(scene) == {old: 0, new: 3}


async def test_a_bundle_whose_last_old_pod_is_gone_gets_one_although_the_store_is_away(
    scene: Scene,
) -> None:
    limits = {"maxSurge": 0, "maxUnavailable": 1}
    old, new = await begin(scene, replicas=1, rollout=limits, compatibility="Skip")
    assert pods(scene) == {old: 0, new: 0}, "first the old one goes"
    scene.databases.away = True
    await scene.reconcile(MAIN)
    await scene.reconcile()
    assert pods(scene) == {old: 0, new: 1}


async def test_the_first_rollout_goes_on_while_the_store_is_away(scene: Scene) -> None:
    scene.give_bank(replicas=3)
    await check(scene)
    await scene.reconcile()
    scene.give_bank(replicas=4)
    scene.databases.away = True
    await scene.reconcile(MAIN)
    await scene.reconcile()
    assert list(pods(scene).values()) == [4]


async def test_pods_of_the_old_revision_that_start_amid_a_rollout_take_connections_too(
    scene: Scene,
) -> None:
    scene.databases.connections = (40, 97)
    spec = {**STEPS, "compatibility": "Skip"}
    old, new = await begin(scene, **spec)
    await scene.settle()
    assert pods(scene) == {old: 3, new: 1}
    scene.give_bank(**{**spec, "replicas": 12}, restartNonce="new")
    for _ in range(4):
        await scene.reconcile()
        begin_to_start(scene)
    assert pods(scene) == {old: 4, new: 3}, "three are starting, for which it has connections"


async def test_after_a_restart_no_pods_are_made_before_the_store_is_read(scene: Scene) -> None:
    scene.give_bank(replicas=3, compatibility="Skip")
    scene.databases.connections = (40, 97)
    await scene.serve()
    old = scene.status()["revision"]
    scene.give_bank(replicas=3, compatibility="Skip", restartNonce="new")
    await scene.begin_check()
    scene.end_check(FINE)
    scene.databases.is_read = False
    await scene.settle()
    assert pods(scene)[old] == 3
    assert sum(pods(scene).values()) == 3, "it is not known whether there are connections left"
    scene.databases.is_read = True
    await scene.settle()
    assert pods(scene)[old] == 0
    assert scene.condition("Ready")[:2] == ("True", "Serving")


async def test_the_store_is_read_before_pods_are_made(scene: Scene) -> None:
    scene.give_bank()
    await scene.begin_check()
    assert MAIN in scene.databases.hurried, "while the code is being checked"
    scene.end_check(BROKEN)
    await scene.settle()
    scene.databases.hurried.clear()
    await scene.reconcile()
    assert scene.databases.hurried == [], "nothing is about to be made"


async def test_a_bundle_goes_back_whatever_connections_are_left(scene: Scene) -> None:
    old, new = await begin(scene)
    scene.databases.connections = (97, 97)
    annotate(scene, undo=new)
    await scene.settle()
    assert pods(scene) == {old: 2, new: 0}


async def test_pods_behind_a_pooler_do_not_take_the_connections_of_the_server(
    scene: Scene,
) -> None:
    scene.databases.connections = (97, 97)
    scene.give_bank()
    store = scene.one(STORE, "main")
    pooled = {**store["spec"], "connection": {**store["spec"]["connection"], "pooled": True}}
    scene.api.put(STORE.path("shops", "main"), {**store, "spec": pooled})
    await scene.serve()
    assert scene.condition("Ready")[:2] == ("True", "Serving")


async def test_a_suspended_bundle_has_no_pods_until_it_is_resumed(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    scene.give_bank(suspend=True)
    await scene.settle()
    assert set(pods(scene).values()) == {0}
    assert scene.condition("Ready")[:2] == ("True", "Suspended")
    assert (scene.status()["phase"], scene.status()["ready"]) == ("Suspended", "0/0")
    scene.give_bank()
    await scene.settle()
    assert scene.condition("Ready")[:2] == ("True", "Serving")


async def test_what_changes_in_the_domain_is_told(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    scene.give_bank(restartNonce="new")
    await scene.begin_check()
    scene.end_check({**FINE, "commands": ["OpenAccount", "CloseAccount"], "events": []})
    await scene.reconcile()
    assert scene.status()["changes"] == {
        "commandsAdded": ["CloseAccount"],
        "eventsRemoved": ["AccountOpened"],
    }
    told = [event["message"] for event in scene.all(EVENT) if event["reason"] == "ManifestChanged"]
    assert told == [
        "the new revision has added commands CloseAccount; removed events AccountOpened"
    ]
    await scene.settle()
    assert "changes" not in scene.status()


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
