"""From what is wanted and what is, to what is to be done: the planner for bundles."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from chekov.store.port import SubscriptionKey, SubscriptionRow
from chekov_operator.api.fault import Fault
from chekov_operator.children import names
from chekov_operator.children.revision import Revision
from chekov_operator.children.workloads import (
    check_job,
    deployment,
    disruption_budget,
    service_account,
    supporting_objects,
)
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.plan import plan_bundle
from chekov_operator.controllers.bundle.rotation import with_versions
from chekov_operator.controllers.plan import Plan
from chekov_operator.kube.objects import Object, label
from chekov_operator.settings import Settings
from tests.operator.samples import (
    RUNTIME_IMAGE,
    bundle_body,
    by_name,
    code_of,
    older_record,
    store_body,
    stored,
)
from tests.operator.samples import bundle as parsed
from tests.operator.samples import target as made_from

SETTINGS = Settings(runtime_image=RUNTIME_IMAGE)
PASSED: Object = {"ok": True, "domain": "bank", "commands": ["Open"], "events": ["Opened"]}
REFUSED: Object = {"ok": False, "reason": "ImportFailed", "message": "no module x", "faults": []}
NEW: dict[str, Any] = {"restartNonce": "new"}


def ready_store(status: str = "True", host: str = "postgres.shops.svc:5432") -> Object:
    ready = {"type": "Ready", "status": status, "reason": "Any", "message": "no route to host"}
    return {**store_body(), "status": {"conditions": [ready], "host": host}}


def kept(target: Revision, result: Object | None = PASSED, number: int = 1) -> list[Object]:
    """The stored revision and its code."""
    return [stored(target, result, number), code_of(target)]


def live(target: Revision, ready: int = 2, pods: int = 2) -> Object:
    """The Deployment of a revision, rolled out with so many pods ready."""
    body = deployment(target, pods)
    body["metadata"]["generation"] = 1
    counts = {"replicas": pods, "updatedReplicas": pods, "readyReplicas": ready}
    return {**body, "status": {"observedGeneration": 1, **counts}}


def observed(
    *children: Object | list[Object], spec: dict[str, Any] | None = None, **more: Any
) -> ObservedBundle:
    body = bundle_body(**(spec or {}))
    flat = [body for item in children for body in (item if isinstance(item, list) else [item])]
    found = ObservedBundle(
        spec=body["spec"],
        store=ready_store(),
        modules=parsed().code.modules,
        children=by_name(*flat),
    )
    return replace(found, **more)


def planned(
    *children: Object | list[Object], spec: dict[str, Any] | None = None, **more: Any
) -> Plan:
    return plan_bundle(parsed(**(spec or {})), observed(*children, spec=spec, **more), SETTINGS)


def kinds(bodies: Sequence[Object]) -> list[str]:
    return sorted({body["kind"] for body in bodies})


def the(kind: str, plan: Plan) -> Object:
    of_kind = [body for body in plan.apply if body["kind"] == kind]
    [found] = [body for body in of_kind if body["metadata"]["name"] != "bank-check"]
    return found


def said(plan: Plan) -> dict[str, tuple[str, str]]:
    return {item.type: (item.status, item.reason) for item in plan.conditions}


def deleted(plan: Plan) -> list[tuple[str, str]]:
    return [(kind.name, name) for kind, name in plan.delete]


def test_before_its_code_is_checked_a_bundle_gets_no_pods() -> None:
    plan = planned()
    assert kinds(plan.apply) == ["BundleRevision", "NetworkPolicy", "ServiceAccount"]
    assert plan.is_partial
    plan = planned(stored(made_from()))
    assert kinds(plan.apply) == [
        "BundleRevision",
        "ConfigMap",
        "Job",
        "NetworkPolicy",
        "ServiceAccount",
    ]
    assert said(plan)["Ready"] == ("False", "Checking")
    assert said(plan)["Progressing"] == ("True", "Checking")
    assert plan.is_interim
    assert not plan.is_partial


def test_once_it_passed_everything_is_made() -> None:
    plan = planned(kept(made_from()))
    assert not plan.is_interim, "the next pass goes on from where the rollout is"
    assert kinds(plan.apply) == [
        "BundleRevision",
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ]
    assert said(plan)["Ready"] == ("False", "RollingOut")


def test_it_is_ready_when_all_pods_of_the_revision_serve() -> None:
    target = made_from()
    plan = planned(kept(target), live(target), running=target.name)
    assert said(plan) == {
        "Ready": ("True", "Serving"),
        "Progressing": ("False", "Complete"),
        "Degraded": ("False", "AsExpected"),
        "Checked": ("True", "Passed"),
        "SchemaCompatible": ("Unknown", "NotGated"),
    }
    assert plan.status["phase"] == "Ready"
    assert plan.status["commands"] == ["Open"]


def test_pods_wait_for_their_store() -> None:
    plan = planned(kept(made_from()), store=ready_store("False"))
    assert "Deployment" not in kinds(plan.apply)
    assert said(plan)["Ready"] == ("False", "EventStoreNotReady")
    assert plan.status["phase"] == "Waiting"


def test_pods_that_are_there_stay_when_their_store_goes_away() -> None:
    target = made_from()
    plan = planned(kept(target), live(target), store=ready_store("False"), running=target.name)
    assert label(the("Deployment", plan), "chekov.dev/revision") == target.name
    assert said(plan)["Ready"] == ("False", "EventStoreNotReady")


def test_new_code_that_is_being_checked_leaves_the_old_pods_alone() -> None:
    old = made_from()
    new = stored(made_from(**NEW))
    plan = planned(kept(old), live(old), new, spec=NEW, running=old.name)
    assert label(the("Deployment", plan), "chekov.dev/revision") == old.name
    assert "Job" in kinds(plan.apply)
    assert said(plan)["Ready"] == ("False", "Checking")


def test_new_code_that_is_refused_leaves_the_old_pods_alone_and_says_who_serves() -> None:
    old, new = made_from(), made_from(**NEW)
    plan = planned(kept(old), kept(new, REFUSED), live(old), spec=NEW, running=old.name)
    assert label(the("Deployment", plan), "chekov.dev/revision") == old.name
    assert said(plan)["Ready"] == ("False", "ImportFailed")
    assert said(plan)["Degraded"] == ("True", "ImportFailed")
    assert said(plan)["Checked"] == ("False", "ImportFailed")
    ready = next(item for item in plan.conditions if item.type == "Ready")
    assert f"Revision {old.name} continues to serve" in ready.message
    assert plan.status["revision"] == old.name


@pytest.mark.parametrize("fault", ["checking", "refused", "missing"])
def test_the_old_pods_come_back_when_deleted_while_the_new_ones_may_not_run(fault: str) -> None:
    old, new = made_from(), made_from(**NEW)
    records = [kept(old), *([kept(new, REFUSED)] if fault == "refused" else [])]
    missing = [Fault("SecretNotFound", "no keys")] if fault == "missing" else []
    plan = planned(*records, spec=NEW, running=old.name, missing=missing)
    made = the("Deployment", plan)
    assert label(made, "chekov.dev/revision") == old.name
    wanted = deployment(replace(old, pull_policy="IfNotPresent"))
    assert made["spec"] == with_versions(wanted, {}, "")["spec"]


def test_the_old_pods_are_scaled_while_the_new_ones_are_refused() -> None:
    old, spec = made_from(), {**NEW, "replicas": 5}
    new = made_from(**spec)
    plan = planned(kept(old), kept(new, REFUSED), live(old), spec=spec, running=old.name)
    assert the("Deployment", plan)["spec"]["replicas"] == 5


def test_new_code_that_passed_takes_the_place_of_the_old() -> None:
    old, new = made_from(), made_from(**NEW)
    plan = planned(kept(old), kept(new), live(old), spec=NEW, running=old.name)
    assert pods_of(plan) == {old.name: 2, new.name: 1}
    assert said(plan)["Ready"] == ("False", "RollingOut")
    one = live(new, ready=1, pods=1)
    plan = planned(kept(old), kept(new), live(old), one, spec=NEW, running=new.name)
    assert pods_of(plan) == {old.name: 1, new.name: 1}
    fewer = live(old, ready=1, pods=1)
    plan = planned(kept(old), kept(new), fewer, one, spec=NEW, running=new.name)
    assert pods_of(plan) == {old.name: 1, new.name: 2}
    both = live(new)
    plan = planned(kept(old), kept(new), fewer, both, spec=NEW, running=new.name)
    assert pods_of(plan) == {old.name: 0, new.name: 2}
    assert said(plan)["Ready"] == ("False", "RollingOut")
    none = live(old, ready=0, pods=0)
    plan = planned(kept(old), kept(new), none, both, spec=NEW, running=new.name)
    assert said(plan)["Ready"] == ("True", "Serving")


def test_each_revision_with_several_pods_has_a_budget() -> None:
    old, new = made_from(), made_from(**NEW)
    both = [live(old), live(new, ready=1, pods=1)]
    plan = planned(kept(old), kept(new), *both, spec=NEW, running=new.name)
    assert "PodDisruptionBudget" not in kinds(plan.apply)
    plan = planned(kept(old), kept(new), live(old), spec=NEW, running=old.name)
    assert the("PodDisruptionBudget", plan)["metadata"]["name"] == f"bank-{old.name}"


def test_the_deployment_of_an_older_operator_serves_on_until_a_new_revision_takes_over() -> None:
    old, new = made_from(), made_from(**NEW)
    legacy = {**live(old), "metadata": {**live(old)["metadata"], "name": "bank"}}
    plan = planned(older_record(old, PASSED), legacy, running=old.name)
    assert kinds(plan.apply)[:2] == ["BundleRevision", "Deployment"]
    made = the("Deployment", plan)
    assert made["metadata"]["name"] == "bank"
    assert "chekov.dev/revision" not in made["spec"]["selector"]["matchLabels"]
    template = deployment(replace(old, pull_policy="IfNotPresent"))["spec"]["template"]
    assert made["spec"]["template"]["spec"] == template["spec"]
    plan = planned(kept(old), kept(new), legacy, spec=NEW, running=old.name)
    assert {body["metadata"]["name"]: body["spec"]["replicas"] for body in pods(plan)} == {
        "bank": 2,
        f"bank-{new.name}": 1,
    }


def test_the_budget_of_an_older_operator_goes_since_no_pod_may_have_two() -> None:
    target = made_from()
    budget = disruption_budget(target)
    older = {**budget, "metadata": {**budget["metadata"], "name": "bank"}}
    plan = planned(kept(target), live(target), budget, older, running=target.name)
    assert deleted(plan) == [("PodDisruptionBudget", "bank")]


def test_what_an_older_operator_stored_of_images_goes_once_it_is_a_revision() -> None:
    spec: dict[str, Any] = {"code": {"image": "bank:1"}}
    target = made_from(**spec)
    older = older_record(target, PASSED)

    def gone(*children: Object) -> list[tuple[str, str]]:
        return deleted(planned(older, live(target), *children, spec=spec, modules=None))

    assert gone() == gone(stored(target)) == []
    assert gone(stored(target, PASSED)) == [("ConfigMap", f"bank-{target.name}")]


def test_each_stored_revision_says_how_it_is() -> None:
    old, new = made_from(), made_from(**NEW)
    plan = planned(
        kept(old), kept(new), live(old), live(new, ready=0, pods=1), spec=NEW, completed=old.name
    )
    found = {name: status for (_, name), status in plan.child_statuses.items()}
    counted = {
        name: (item["phase"], item["ready"], item["completed"]) for name, item in found.items()
    }
    assert counted == {
        f"bank-{old.name}": ("Leaving", "2/2", True),
        f"bank-{new.name}": ("RollingOut", "0/1", False),
    }
    assert all(item["check"] == PASSED for item in found.values())


def pods(plan: Plan) -> list[Object]:
    return [body for body in plan.apply if body["kind"] == "Deployment"]


def pods_of(plan: Plan) -> dict[str, int]:
    """The number of pods that each revision should have."""
    return {
        str(label(body, "chekov.dev/revision")): body["spec"]["replicas"] for body in pods(plan)
    }


def test_a_bundle_without_its_store_is_not_touched() -> None:
    target = made_from()
    plan = planned(kept(target), live(target), store=None, running=target.name)
    assert set(kinds(plan.apply)) == {"BundleRevision", "ConfigMap"}
    assert list(plan.delete) == []
    assert said(plan)["Ready"] == ("False", "EventStoreNotFound")


def test_a_paused_bundle_is_left_as_it_is() -> None:
    body = bundle_body(annotations={"chekov.dev/paused": "true"})
    paused = replace(parsed(), meta=replace(parsed().meta, paused=True))
    plan = plan_bundle(paused, ObservedBundle(spec=body["spec"]), SETTINGS)
    assert (list(plan.apply), list(plan.delete), plan.keep_status) == ([], [], True)
    assert said(plan) == {"Paused": ("True", "PausedByAnnotation")}


def test_finished_checks_are_cleared_away() -> None:
    target, older = made_from(), made_from(**NEW)
    plan = planned(kept(target), live(target), check_job(target), check_job(older))
    assert sorted(deleted(plan)) == sorted(
        ("Job", names.check("bank", item.name)) for item in (target, older)
    )


def test_a_refused_check_stays_for_inspection_and_older_ones_are_deleted() -> None:
    target, older = made_from(), made_from(**NEW)
    plan = planned(kept(target, REFUSED), check_job(target), check_job(older))
    assert deleted(plan) == [("Job", names.check("bank", older.name))]


def test_three_revisions_are_kept_and_none_that_is_needed_goes() -> None:
    target = made_from()
    older = [made_from(restartNonce=str(index)) for index in range(4)]
    records = [kept(item, number=2 + index) for index, item in enumerate(older)]
    idle = [live(item, 0, 0) for item in older]
    plan = planned(kept(target), *records, live(target), *idle, running=target.name)
    assert sorted(deleted(plan)) == sorted(
        (kind, names.revision("bank", item.name))
        for item in older[:2]
        for kind in ("BundleRevision", "Deployment")
    )


def pod_of(target: Revision) -> Object:
    labels = {"chekov.dev/revision": target.name, "app.kubernetes.io/component": "runtime"}
    return {"metadata": {"name": "bank-1", "labels": labels}}


@pytest.mark.parametrize("known_by", ["pods", "status"])
def test_the_record_of_what_serves_stays_however_many_revisions_failed_since(known_by: str) -> None:
    first = made_from(restartNonce="first")
    failed = [made_from(restartNonce=str(index)) for index in range(5)]
    newest = made_from()
    plan = planned(
        kept(first),
        *(kept(item, number=2 + index) for index, item in enumerate(failed)),
        kept(newest, number=9),
        live(newest, ready=0),
        running=newest.name,
        pods=[pod_of(first)] if known_by == "pods" else [],
        completed=first.name if known_by == "status" else None,
    )
    gone = {name for _, name in deleted(plan)}
    assert names.revision("bank", first.name) not in gone
    assert gone == {names.revision("bank", item.name) for item in failed[:4]}


def test_the_revision_that_was_rolled_out_completely_is_remembered() -> None:
    old, new = made_from(), made_from(**NEW)
    plan = planned(kept(old), live(old), running=old.name)
    assert plan.status["completedRevision"] == old.name
    under_way = planned(kept(old), kept(new), live(new, ready=1), spec=NEW, completed=old.name)
    assert under_way.status["completedRevision"] == old.name


def test_a_revision_that_never_had_a_pod_has_completed_nothing() -> None:
    old, spec = made_from(), {**NEW, "replicas": 0}
    new = made_from(**spec)
    empty = {**deployment(new), "status": {"observedGeneration": 1}}
    empty["metadata"]["generation"] = 1
    plan = planned(kept(old), kept(new), empty, spec=spec, completed=old.name)
    assert said(plan)["Ready"] == ("True", "Stopped")
    assert plan.status["completedRevision"] == old.name


def test_what_the_spec_no_longer_asks_for_goes() -> None:
    spec: dict[str, Any] = {
        "replicas": 1,
        "networkPolicy": {"enabled": False},
        "serviceAccountName": "mine",
    }
    target = made_from(**spec)
    before = [service_account(parsed()), *supporting_objects(parsed(), ())]
    before.append(disruption_budget(target))
    plan = planned(kept(target), live(target), *before, spec=spec)
    assert sorted(deleted(plan)) == [
        ("NetworkPolicy", "bank"),
        ("PodDisruptionBudget", f"bank-{target.name}"),
        ("ServiceAccount", "bank"),
    ]


def test_a_budget_that_is_wanted_stays() -> None:
    target = made_from()
    assert deleted(planned(kept(target), live(target), disruption_budget(target))) == []


def test_the_policy_lets_pods_reach_the_database_of_the_store() -> None:
    plan = planned(kept(made_from()), store=ready_store(host="10.0.0.7:6432"))
    egress = the("NetworkPolicy", plan)["spec"]["egress"]
    assert {
        "ports": [{"port": 6432, "protocol": "TCP"}],
        "to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}],
    } in egress


def test_the_policy_lets_pods_reach_the_pods_behind_a_service() -> None:
    store = ready_store(host="postgres.shops.svc:6432")
    store["status"]["podPorts"] = [5432]
    plan = planned(kept(made_from()), store=store)
    egress = the("NetworkPolicy", plan)["spec"]["egress"]
    for port in (5432, 6432):
        assert {"ports": [{"port": port, "protocol": "TCP"}]} in egress


def test_a_plan_carried_out_leaves_nothing_to_do() -> None:
    """What is planned twice in the same cache is the same."""
    target = made_from()
    cache = [kept(target), live(target)]
    assert planned(*cache, running=target.name) == planned(*cache, running=target.name)


def test_until_the_store_is_read_the_status_stays_and_children_are_healed() -> None:
    target = made_from()
    found = planned(kept(target), status={"phase": "Ready"}, is_store_read=False)
    assert (found.keep_status, list(found.conditions)) == (True, [])
    assert "Deployment" in {body["kind"] for body in found.apply}


def test_a_new_bundle_is_told_of_before_the_store_is_read() -> None:
    found = planned(is_store_read=False)
    assert not found.keep_status
    assert found.conditions


BALANCES: Object = {"name": "balances", "kind": "projection", "version": 1}


def ready_pod(at: str) -> Object:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": at}
    return {"metadata": {"name": "bank-1"}, "status": {"conditions": [ready]}}


def balances(owner: str | None) -> SubscriptionRow:
    key = SubscriptionKey("bank", "balances")
    return SubscriptionRow(key, 0, owner, 1, "running", None, 0, datetime.now(UTC))


@pytest.mark.parametrize(
    ("rows", "age", "expected"),
    [
        (None, 2, True),
        ([], 2, True),
        ([balances(None)], 2, True),
        ([balances("bank-1")], 2, False),
        ([], 40, False),
    ],
    ids=["not read", "not there", "nobody's", "taken", "too long ago"],
)
def test_while_new_pods_take_their_subscriptions_these_are_read_often(
    rows: list[SubscriptionRow] | None,
    age: float,
    expected: bool,  # noqa: FBT001 a parameter of the test
) -> None:
    target = made_from()
    since = datetime(2026, 11, 24, tzinfo=UTC)
    found = planned(
        kept(target, {**PASSED, "subscriptions": [BALANCES]}),
        live(target),
        pods=[ready_pod(since.isoformat())],
        subscriptions=rows,
        now=since.timestamp() + age,
    )
    assert found.read_store_soon == expected


def test_only_subscriptions_of_the_serving_revision_make_a_bundle_degraded() -> None:
    target = made_from()
    result = {**PASSED, "subscriptions": [BALANCES]}
    removed = replace(balances("bank-1"), key=SubscriptionKey("bank", "removed"), parked=3)
    older = replace(
        balances(None), key=SubscriptionKey("bank", "balances", version=7), state="stopped"
    )
    found = planned(
        kept(target, result), live(target), subscriptions=[balances("bank-1"), removed, older]
    )
    assert said(found)["Degraded"] == ("False", "AsExpected")
    own = replace(balances("bank-1"), parked=2)
    found = planned(kept(target, result), live(target), subscriptions=[own, removed])
    assert said(found)["Degraded"] == ("True", "EventsParked")
