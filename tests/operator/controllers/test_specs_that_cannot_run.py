"""Invalid specs, and checks that cannot run: what ran goes on, and a better spec is taken."""

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
    scene.api.put(
        DEPLOYMENT.path("shops", "bank"),
        {**scene.one(DEPLOYMENT, "bank"), "spec": {"replicas": 7}},
    )
    await scene.reconcile()
    assert len(scene.all(SERVICE)) == 2
    assert scene.one(DEPLOYMENT, "bank")["spec"]["replicas"] == 2
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
    await scene.reconcile()
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
