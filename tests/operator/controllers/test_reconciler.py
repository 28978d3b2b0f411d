"""Whole reconciliations: what is written, what is reported, and that nothing is done twice."""

import json
from typing import Any

import pytest

from chekov_operator.children import names
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import (
    BUNDLE,
    BUNDLE_LABEL,
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    EVENT,
    JOB,
    MANAGED,
    POD,
    REVISION,
    SERVICE,
    SERVICE_ACCOUNT,
    STORE,
    Kind,
)
from chekov_operator.kube.objects import Object
from chekov_operator.metrics import Metrics
from tests.operator.fake_api import FakeApi
from tests.operator.named_fields import ELSEWHERE
from tests.operator.samples import bundle_body, store_body
from tests.operator.scene import BANK, BROKEN, FINE, MAIN, SECRET_PATH, Scene

BROKEN_CODE = {"inline": {"modules": {"bank.py": "domain = None"}}}


@pytest.fixture
async def scene(api: FakeApi, client: Client, metrics: Metrics) -> Scene:
    return Scene(api, client, metrics)


def paths(writes: list[str]) -> list[str]:
    """The last two parts of each path that was written, with the method."""
    return sorted(f"{line.split()[0]} {'/'.join(line.split('/')[-2:])}" for line in writes)


def reasons(scene: Scene) -> list[str]:
    return [str(event["reason"]) for event in scene.all(EVENT)]


def target_of(scene: Scene) -> str:
    """The revision that was stored."""
    (record,) = scene.all(REVISION)
    return str(record["spec"]["revision"])


async def test_a_new_bundle_is_checked_before_anything_runs(scene: Scene) -> None:
    scene.give_bank()
    await scene.begin_check()
    (job,) = scene.all(JOB)
    assert job["metadata"]["name"].startswith("bank-check-")
    assert len(scene.all(CONFIG_MAP)) == len(scene.all(REVISION)) == 1
    assert scene.all(DEPLOYMENT) == []
    assert scene.condition("Ready")[:2] == ("False", "Checking")
    assert scene.status()["phase"] == "Checking"
    assert scene.status()["observedGeneration"] == 3


async def test_what_passes_by_itself_is_said_once_there_is_nothing_left_to_apply(
    scene: Scene,
) -> None:
    scene.give_bank()
    writes = await scene.reconcile()
    assert not [path for path in writes if path.endswith("/status")]
    assert len(scene.all(JOB)) == 1, "what has to be stored before it was stored in this pass"
    await scene.reconcile()
    assert scene.status()["phase"] == "Checking"


async def test_it_is_said_soon_where_something_undoes_all_that_is_applied(scene: Scene) -> None:
    """As a tool may that deletes each object that it does not know."""
    scene.give_bank()
    for _ in range(2):
        await scene.reconcile()
        for account in scene.all(SERVICE_ACCOUNT):
            assert scene.api.remove(SERVICE_ACCOUNT.path("shops", account["metadata"]["name"]))
    assert scene.status()["phase"] == "Checking"


async def test_that_a_bundle_is_no_longer_ready_is_said_at_once(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    scene.give_bank(restartNonce="1")
    await scene.reconcile()
    assert len(scene.all(JOB)) == 1
    assert scene.condition("Ready")[:2] == ("False", "Checking")


async def test_a_bundle_that_passes_runs(scene: Scene) -> None:
    scene.give_bank()
    await scene.begin_check()
    scene.end_check(FINE)
    await scene.reconcile()
    assert len(scene.all(DEPLOYMENT)) == 1
    assert {body["metadata"]["name"] for body in scene.all(SERVICE)} == {"bank", "bank-management"}
    assert scene.condition("Checked")[0] == "True"
    assert scene.condition("Ready")[:2] == ("False", "RollingOut")


async def test_a_bundle_whose_pods_serve_is_ready_and_tidy(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    assert scene.condition("Ready")[:2] == ("True", "Serving")
    assert scene.all(JOB) == []
    status = scene.status()
    assert (status["phase"], status["ready"], status["lag"]) == ("Ready", "2/2", 0)
    assert (status["commands"], status["events"]) == (["OpenAccount"], ["AccountOpened"])
    assert "Serving" in reasons(scene)


async def test_a_pass_over_what_is_as_it_should_be_makes_no_request(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    for _ in range(2):
        await scene.reconcile()
    assert scene.api.requests == []


async def test_drift_of_a_child_is_repaired(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    await scene.reconcile()
    name = scene.deployment()["metadata"]["name"]
    path = DEPLOYMENT.path("shops", name)
    scene.api.put(path, {**scene.deployment(), "spec": {"replicas": 9}})
    assert f"PATCH deployments/{name}" in paths(await scene.reconcile())
    assert scene.deployment()["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    "kind",
    [SERVICE, DEPLOYMENT, SERVICE_ACCOUNT, REVISION, CONFIG_MAP, DISRUPTION_BUDGET],
    ids=lambda kind: kind.name,
)
async def test_a_child_that_was_deleted_comes_back(scene: Scene, kind: Kind) -> None:
    scene.give_bank()
    await scene.serve()
    await scene.reconcile()
    path = kind.path("shops", scene.all(kind)[0]["metadata"]["name"])
    del scene.api.objects[path]
    await scene.reconcile()
    assert path in scene.api.objects


async def test_another_size_needs_no_check_and_no_new_revision(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    revision = scene.status()["revision"]
    scene.give_bank(replicas=5)
    await scene.reconcile()
    assert scene.deployment()["spec"]["replicas"] == 5
    assert scene.all(JOB) == []
    assert scene.status()["revision"] == revision


@pytest.mark.parametrize(
    "change",
    [
        {"resources": {"limits": {"memory": "1Gi"}}},
        {"telemetry": {"logLevel": "debug"}},
        {"imagePullPolicy": "Always"},
        {"podTemplate": {"metadata": {"annotations": {"team": "money"}}}},
        {"replicas": 3},
    ],
    ids=["resources", "log level", "pull policy", "annotations", "replicas"],
)
async def test_a_change_of_the_pods_is_ready_only_once_it_is_rolled_out(
    scene: Scene, change: dict[str, Any]
) -> None:
    scene.give_bank()
    await scene.serve()
    scene.give_bank(**change)
    generation = scene.one(BUNDLE, "bank")["metadata"]["generation"]
    await scene.reconcile()
    assert scene.status()["observedGeneration"] == generation
    assert scene.condition("Ready")[:2] == ("False", "RollingOut")
    assert scene.condition("Progressing")[0] == "True"
    await scene.reconcile()
    assert scene.condition("Ready")[:2] == ("False", "RollingOut")
    scene.roll_out()
    await scene.reconcile()
    assert scene.condition("Ready")[:2] == ("True", "Serving")


async def test_a_change_that_no_pod_sees_leaves_the_bundle_ready(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    scene.give_bank(service={"type": "NodePort"})
    assert "PATCH services/bank" in paths(await scene.reconcile())
    assert scene.condition("Ready")[:2] == ("True", "Serving")


async def test_the_code_of_pods_that_serve_stays_while_new_revisions_fail(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    serving = scene.status()["revision"]
    labels = scene.deployment()["spec"]["template"]["metadata"]["labels"]
    scene.api.put(POD.path("shops", "bank-1"), {"metadata": {"labels": labels}})
    for nonce in ("b", "c", "d", "e"):
        scene.give_bank(restartNonce=nonce)
        await scene.begin_check()
        scene.end_check(FINE)
        for _ in range(3):
            await scene.reconcile()
        assert scene.condition("Ready")[:2] == ("False", "RollingOut")
        assert names.revision("bank", serving) in {
            record["metadata"]["name"] for record in scene.all(CONFIG_MAP)
        }
    assert scene.status()["completedRevision"] == serving


async def test_code_that_is_broken_ends_in_a_condition_with_every_fault(scene: Scene) -> None:
    scene.give_bank()
    await scene.begin_check()
    scene.end_check(BROKEN)
    await scene.reconcile()
    status, reason, message = scene.condition("Ready")
    assert (status, reason) == ("False", "InvalidDomain")
    for fault in BROKEN["faults"]:
        assert fault in message
    assert scene.condition("Checked")[:2] == ("False", "InvalidDomain")
    assert scene.condition("Degraded")[0] == "True"
    assert scene.all(DEPLOYMENT) == []


async def test_the_result_of_a_check_is_stored_and_not_computed_again(scene: Scene) -> None:
    scene.give_bank()
    await scene.begin_check()
    scene.end_check(BROKEN)
    for _ in range(3):
        await scene.reconcile()
    assert scene.api.requests == []
    assert scene.condition("Ready")[1] == "InvalidDomain"


async def test_a_broken_new_revision_leaves_the_running_one_alone(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    before = scene.deployment()
    scene.give_bank(code=BROKEN_CODE)
    await scene.begin_check()
    scene.end_check(BROKEN)
    await scene.reconcile()
    assert scene.deployment()["spec"] == before["spec"]
    assert "continues to serve" in scene.condition("Ready")[2]
    assert scene.status()["revision"] == before["metadata"]["labels"]["chekov.dev/revision"]
    assert scene.status()["ready"] == "2/2"


async def test_the_running_revision_is_repaired_while_a_new_one_is_refused(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    before = scene.deployment()
    scene.give_bank(code=BROKEN_CODE)
    await scene.begin_check()
    scene.end_check(BROKEN)
    await scene.reconcile()
    del scene.api.objects[DEPLOYMENT.path("shops", before["metadata"]["name"])]
    await scene.reconcile()
    assert scene.deployment()["spec"] == before["spec"]


async def test_rolling_back_to_code_that_ran_needs_no_check(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    scene.give_bank(code=BROKEN_CODE)
    await scene.begin_check()
    scene.end_check(BROKEN)
    await scene.reconcile()
    scene.give_bank()
    await scene.reconcile()
    assert scene.condition("Ready")[:2] == ("True", "Serving")


@pytest.mark.parametrize(
    "labels", [{}, {**MANAGED, BUNDLE_LABEL: "bank"}], ids=["without labels", "with our labels"]
)
async def test_an_object_with_another_owner_is_left_alone(
    scene: Scene, api: FakeApi, labels: dict[str, str]
) -> None:
    path = SERVICE.path("shops", "bank")
    theirs: Object = {
        "kind": "Service",
        "metadata": {"labels": labels},
        "spec": {"selector": {"app": "ours"}},
    }
    api.put(path, theirs)
    scene.give_bank()
    await scene.begin_check()
    scene.end_check(FINE)
    await scene.reconcile()
    assert api.objects[path]["spec"] == theirs["spec"]
    status, reason, message = scene.condition("Ready")
    assert (status, reason) == ("False", "NameTaken")
    assert "Service 'bank'" in message


async def test_a_refusal_of_the_api_server_keeps_its_words(scene: Scene, api: FakeApi) -> None:
    scene.give_bank(podTemplate={"spec": {"dnsPolicy": "Never"}})
    await scene.begin_check()
    scene.end_check(FINE)
    api.fail("PATCH", f"/deployments/bank-{target_of(scene)}", 422, "Invalid dnsPolicy")
    await scene.reconcile()
    status, reason, message = scene.condition("Ready")
    assert (status, reason) == ("False", "ChildRefused")
    assert "Invalid dnsPolicy" in message


async def test_a_paused_bundle_is_left_alone_and_keeps_its_status(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    revision = scene.status()["revision"]
    del scene.api.objects[SERVICE.path("shops", "bank")]
    paused = bundle_body(annotations={"chekov.dev/paused": "true"}, replicas=7)
    scene.give(paused)
    assert paths(await scene.reconcile()) == ["PATCH bank/status"]
    assert scene.condition("Paused")[0] == "True"
    assert scene.condition("Ready")[0] == "True"
    assert scene.status()["revision"] == revision


async def test_a_bundle_that_goes_on_is_no_longer_paused(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    scene.give(bundle_body(annotations={"chekov.dev/paused": "true"}))
    await scene.reconcile()
    scene.give(bundle_body())
    await scene.reconcile()
    assert "Paused" not in {item["type"] for item in scene.status()["conditions"]}


async def test_a_bundle_that_is_being_deleted_gets_no_children(scene: Scene) -> None:
    scene.give_bank()
    scene.one(BUNDLE, "bank")["metadata"]["deletionTimestamp"] = "2026-11-24T10:00:00Z"
    assert await scene.reconcile() == []


async def test_a_bundle_that_is_gone_is_forgotten(scene: Scene) -> None:
    assert await scene.reconcile() == []


async def test_a_bundle_without_its_store_names_it(scene: Scene) -> None:
    scene.give(bundle_body(eventStoreRef={"name": "nowhere"}))
    await scene.reconcile()
    assert scene.condition("Ready")[:2] == ("False", "EventStoreNotFound")
    assert "'nowhere'" in scene.condition("Ready")[2]
    assert scene.all(JOB) == []


async def test_a_missing_secret_is_reported_and_found_once_it_exists(scene: Scene) -> None:
    scene.give_bank(envFrom=[{"secretRef": {"name": "keys"}}])
    await scene.reconcile()
    status, reason, message = scene.condition("Ready")
    assert (status, reason) == ("False", "SecretNotFound")
    assert "spec.envFrom[0].secretRef" in message
    scene.api.put("/api/v1/namespaces/shops/secrets/keys", {"data": {}})
    await scene.begin_check()
    assert scene.condition("Ready")[1] == "Checking"


THEIRS = "/api/v1/namespaces/kube-system/secrets/root-ca"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"code": {"configMapRef": {"name": ELSEWHERE}}}, "spec.code.configMapRef.name"),
        ({"envFrom": [{"secretRef": {"name": ELSEWHERE}}]}, "spec.envFrom[0].secretRef.name"),
        (
            {
                "env": [
                    {
                        "name": "A",
                        "valueFrom": {"secretKeyRef": {"name": ELSEWHERE, "key": "missing"}},
                    }
                ]
            },
            "spec.env[0].valueFrom.secretKeyRef.name",
        ),
    ],
    ids=["code", "envFrom", "env"],
)
async def test_a_bundle_cannot_read_what_another_namespace_holds(
    scene: Scene, api: FakeApi, spec: dict[str, Any], field: str
) -> None:
    api.put(THEIRS, {"data": {"their-key": "dGhlaXItdmFsdWU="}})
    scene.give_bank(**spec)
    await scene.reconcile()
    assert [request.path for request in api.requests if "kube-system" in request.path] == []
    status, reason, message = scene.condition("Ready")
    assert (status, reason) == ("False", "InvalidSpec")
    assert message.startswith(f"{field}: expected a name made of")
    written = json.dumps([scene.status(), scene.all(CONFIG_MAP), scene.all(EVENT)])
    assert "their-key" not in written
    assert "dGhlaXItdmFsdWU" not in written


async def test_a_store_cannot_log_in_with_what_another_namespace_holds(
    scene: Scene, api: FakeApi
) -> None:
    api.put(THEIRS, {"data": {"dsn": api.objects[SECRET_PATH]["data"]["dsn"]}})
    scene.give(store_body(connection={"secretRef": {"name": ELSEWHERE, "key": "dsn"}}))
    await scene.reconcile(MAIN)
    assert [request.path for request in api.requests if "kube-system" in request.path] == []
    assert scene.condition("Ready", MAIN)[:2] == ("False", "InvalidSpec")
    assert set(scene.status(MAIN)) == {"conditions", "observedGeneration"}


async def test_code_of_a_config_map_is_followed_when_it_changes(scene: Scene) -> None:
    path = CONFIG_MAP.path("shops", "code")
    scene.api.put(path, {"data": {"bank.py": "one"}})
    scene.give_bank(code={"configMapRef": {"name": "code"}})
    await scene.serve()
    revision = scene.status()["revision"]
    scene.api.put(path, {"data": {"bank.py": "two"}})
    await scene.begin_check()
    scene.end_check(FINE)
    await scene.reconcile()
    assert scene.status()["revision"] != revision


async def test_inline_code_can_be_forbidden(api: FakeApi, client: Client, metrics: Metrics) -> None:
    scene = Scene(api, client, metrics, allow_inline=False)
    scene.give_bank()
    await scene.reconcile()
    assert scene.condition("Ready")[:2] == ("False", "InlineForbidden")


async def test_a_failed_pass_comes_back(scene: Scene, api: FakeApi, metrics: Metrics) -> None:
    scene.give_bank()
    for _ in range(10):
        api.fail("PATCH", "", 500, "InternalError")
    await scene.reconcile()
    failed = {"kind": "DomainBundle", "outcome": "failed"}
    assert metrics.registry.get_sample_value("chekov_operator_reconciles_total", failed) == 1
    assert scene.queue.retry(BANK) > 0.7


async def test_a_store_is_migrated_and_then_ready(scene: Scene) -> None:
    scene.databases.version = 0
    scene.give(store_body())
    await scene.reconcile(MAIN)
    (job,) = scene.all(JOB)
    assert job["metadata"]["name"] == "main-migrate-1"
    assert scene.condition("Migrated", MAIN)[:2] == ("False", "Migrating")
    scene.databases.version = 1
    await scene.reconcile(MAIN)
    assert scene.condition("Ready", MAIN)[0] == "True"
    assert scene.all(JOB) == []
    assert scene.status(MAIN)["position"] == 10


async def test_the_secrets_of_both_connections_are_followed(scene: Scene) -> None:
    scene.give_bank()
    body = store_body()
    body["spec"]["readerConnection"] = {"secretRef": {"name": "reader"}}
    scene.give(body)
    await scene.reconcile(MAIN)
    asked = {request.path for request in scene.api.requests}
    assert {SECRET_PATH, "/api/v1/namespaces/shops/secrets/reader"} <= asked


async def test_a_store_that_is_as_it_was_makes_no_request(scene: Scene) -> None:
    scene.give(store_body())
    for _ in range(3):
        await scene.reconcile(MAIN)
    assert scene.api.requests == []


async def test_after_a_restart_nothing_is_said_before_the_store_is_read(scene: Scene) -> None:
    scene.give_bank()
    await scene.serve()
    await scene.reconcile(MAIN)
    before = scene.status(), scene.status(MAIN)
    scene.databases.is_read = False
    for key in (BANK, MAIN):
        assert await scene.reconcile(key) == []
    assert (scene.status(), scene.status(MAIN)) == before


async def test_a_bundle_continues_to_run_without_its_store(
    scene: Scene,
) -> None:
    scene.give_bank()
    await scene.serve()
    scene.databases.away = True
    await scene.reconcile(MAIN)
    assert scene.condition("Ready", MAIN)[:2] == ("False", "Unreachable")
    assert scene.one(STORE, "main")["metadata"]["name"] == "main"
    before = scene.deployment()["spec"]
    await scene.reconcile()
    assert scene.deployment()["spec"] == before
