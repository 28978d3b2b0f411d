"""Invalid specs, and checks that cannot run: what ran goes on, and a better spec is taken."""

from typing import Any

import pytest

from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import BUNDLE, DEPLOYMENT, JOB, POD, SERVICE
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.fake_kubelet import ended_pod
from tests.operator.scene import Scene


@pytest.fixture
async def scene(api: FakeApi, client: Client, metrics: Metrics) -> Scene:
    return Scene(api, client, metrics)


async def test_under_an_invalid_spec_what_ran_goes_on_and_is_healed(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    before = scene.status()
    scene.give_bank(serviceAccountName="../other", replicas=9)
    generation = scene.one(BUNDLE, "bank")["metadata"]["generation"]
    await scene.reconcile()
    assert scene.condition("Ready")[:2] == ("False", "InvalidSpec")
    assert scene.condition("Degraded")[:2] == ("True", "InvalidSpec")
    assert "spec.serviceAccountName" in scene.condition("Ready")[2]
    status = scene.status()
    assert status["observedGeneration"] == generation
    assert status["phase"] == "Refused"
    for name in ("revision", "completedRevision", "readyReplicas", "commands", "subscriptions"):
        assert status[name] == before[name]
    scene.api.remove(SERVICE.path("shops", "bank"))
    live = scene.deployment()
    path = DEPLOYMENT.path("shops", live["metadata"]["name"])
    scene.api.put(path, {**live, "spec": {"replicas": 7}})
    await scene.reconcile()
    assert len(scene.all(SERVICE)) == 2
    assert scene.deployment()["spec"]["replicas"] == 2
    assert scene.all(JOB) == []
    scene.give_bank()
    scene.roll_out()
    await scene.reconcile()
    assert scene.condition("Ready")[:2] == ("True", "Serving")


async def test_a_new_bundle_with_an_invalid_spec_gets_nothing(scene: Scene) -> None:
    scene.give_bank(serviceAccountName="../other")
    await scene.reconcile()
    assert scene.condition("Ready")[:2] == ("False", "InvalidSpec")
    assert scene.all(DEPLOYMENT) == scene.all(JOB) == []


async def test_a_check_that_cannot_start_is_made_anew_once_the_spec_says_how(
    scene: Scene,
) -> None:
    scene.give_bank()
    await scene.begin_check()
    (job,) = scene.all(JOB)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    stuck = ended_pod(job, {})
    stuck["status"] = {"containerStatuses": [{"name": "runtime", "state": waiting}]}
    pod = POD.path("shops", "bank-check-1")
    scene.api.put(pod, stuck)
    for _ in range(2):
        await scene.reconcile()
        assert scene.condition("Ready")[:2] == ("False", "ImagePullBackOff")
        assert scene.all(JOB) == [job]
    scene.give_bank(imagePullPolicy="Always")
    await scene.reconcile()
    scene.api.remove(pod)
    await scene.reconcile()
    (other,) = scene.all(JOB)
    assert other["metadata"]["uid"] != job["metadata"]["uid"]
    assert other["metadata"]["name"] == job["metadata"]["name"]


@pytest.mark.parametrize(
    "odd",
    [
        {"env": [{"name": "A", "valueFrom": {"secretKeyRef": "db-password"}}]},
        {"env": [{"name": "A", "valueFrom": "db-password"}], "envFrom": ["words"]},
        {"podTemplate": {"spec": {"containers": ["runtime"]}}},
        {"podTemplate": {"spec": {"containers": [{"name": [1]}]}}},
        {"podTemplate": {"spec": {"containers": [{"name": "runtime", "env": ["A"]}]}}},
        {"podTemplate": {"spec": {"initContainers": "none", "volumes": {"name": "v"}}}},
        {"podTemplate": {"spec": {"volumes": [["v"], {"name": "v", "secret": "files"}]}}},
        {"podTemplate": {"spec": ["containers"], "metadata": {"labels": ["team"]}}},
        {"telemetry": {"otlpEndpoint": "http://[::1"}},
        {"jobs": {"tolerations": ["batch"], "imagePullSecrets": [{"name": "registry"}]}},
        {"resources": {"limits": ["memory"]}},
        {"imagePullSecrets": ["registry"]},
    ],
    ids=str,
)
async def test_every_spec_that_the_api_server_takes_ends_in_a_status(
    scene: Scene, odd: dict[str, Any]
) -> None:
    scene.give_bank()
    await scene.serve()
    scene.give_bank(**odd)
    for _ in range(2):
        await scene.reconcile()
    bank = scene.one(BUNDLE, "bank")
    assert bank["status"]["observedGeneration"] == bank["metadata"]["generation"]


async def test_what_the_operator_cannot_plan_is_said_and_tried_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.give_bank()
    await scene.serve()
    before = scene.status()

    def failing(*_: object) -> None:
        raise KeyError("s3cret")

    with monkeypatch.context() as patched:
        patched.setattr("chekov_operator.controllers.bundle.controller.plan_bundle", failing)
        scene.give_bank(replicas=4)
        await scene.reconcile()
    status, reason, message = scene.condition("Ready")
    assert (status, reason) == ("False", "OperatorFailed")
    assert "KeyError" in message
    assert "s3cret" not in message
    assert scene.status()["revision"] == before["revision"]
    await scene.reconcile()
    assert scene.condition("Ready")[1] != "OperatorFailed"
