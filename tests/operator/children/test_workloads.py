"""The children of bundles and stores: who owns them, whom they select, whom they let in."""

from typing import Any

from chekov_operator.children import workloads
from chekov_operator.kube.objects import Object
from chekov_operator.settings import Settings
from chekov_operator.stores.dsn import Address
from tests.operator.samples import bundle, store, target

SETTINGS = Settings(runtime_image="chekov:1", runtime_pull_policy="Never")


DATABASE = Address("db.example", 6432)
REVISION = f"bank-{target().name}"


def children(**spec: Any) -> dict[tuple[str, str], Object]:
    """All children of the bank."""
    found = [
        *workloads.supporting_objects(bundle(**spec), [DATABASE]),
        workloads.service_account(bundle(**spec)),
        workloads.check_job(target(**spec)),
        workloads.deployment(target(**spec)),
        workloads.disruption_budget(target(**spec)),
    ]
    return {(body["kind"], body["metadata"]["name"]): body for body in found}


def pod_labels(body: Object) -> dict[str, str]:
    return body["spec"]["template"]["metadata"]["labels"]


def selects(labels: dict[str, str], of: dict[str, str]) -> bool:
    return labels.items() <= of.items()


def test_a_bundle_has_these_children() -> None:
    assert sorted(children()) == [
        ("Deployment", REVISION),
        ("Job", f"bank-check-{target().name}"),
        ("NetworkPolicy", "bank"),
        ("PodDisruptionBudget", REVISION),
        ("Service", "bank"),
        ("Service", "bank-management"),
        ("ServiceAccount", "bank"),
    ]


def test_every_child_belongs_to_its_bundle_and_says_so() -> None:
    for body in children().values():
        meta = body["metadata"]
        assert meta["namespace"] == "shops"
        assert meta["ownerReferences"] == [
            {
                "apiVersion": "chekov.dev/v1alpha1",
                "kind": "DomainBundle",
                "name": "bank",
                "uid": "bundle-uid",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
        expected = {
            "app.kubernetes.io/name": "chekov-runtime",
            "app.kubernetes.io/instance": "bank",
            "app.kubernetes.io/managed-by": "chekov-operator",
            "chekov.dev/bundle": "bank",
        }
        assert expected.items() <= meta["labels"].items()


def test_pods_carry_their_revision() -> None:
    for body in (workloads.deployment(target()), workloads.check_job(target())):
        assert body["metadata"]["labels"]["chekov.dev/revision"] == target().name
        assert pod_labels(body)["chekov.dev/revision"] == target().name
        assert pod_labels(body)["app.kubernetes.io/managed-by"] == "chekov-operator"


def test_what_selects_pods_selects_those_that_serve_and_never_those_of_checks() -> None:
    found = children()
    serving = pod_labels(found["Deployment", REVISION])
    checking = pod_labels(workloads.check_job(target()))
    of_all: list[dict[str, str]] = [
        found["Service", "bank"]["spec"]["selector"],
        found["Service", "bank-management"]["spec"]["selector"],
    ]
    of_one: list[dict[str, str]] = [
        found["PodDisruptionBudget", REVISION]["spec"]["selector"]["matchLabels"],
        found["Deployment", REVISION]["spec"]["selector"]["matchLabels"],
    ]
    for selector in (*of_all, *of_one):
        assert selects(selector, serving)
        assert not selects(selector, checking)
        assert ("chekov.dev/revision" in selector) == (selector in of_one)


def test_a_deployment_that_an_older_operator_made_keeps_its_selector() -> None:
    body = workloads.deployment(target(), name="bank")
    assert body["metadata"]["name"] == "bank"
    assert "chekov.dev/revision" not in body["spec"]["selector"]["matchLabels"]


def test_a_rollout_never_takes_a_pod_away_before_the_next_one_serves() -> None:
    spec = children()["Deployment", REVISION]["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert spec["strategy"]["rollingUpdate"]["maxSurge"]
    assert spec["replicas"] == 2


def test_the_api_is_published_as_the_spec_says() -> None:
    given = {"type": "LoadBalancer", "annotations": {"balancer": "internal"}}
    body = children(service=given)["Service", "bank"]
    assert body["spec"]["type"] == "LoadBalancer"
    assert body["metadata"]["annotations"] == {"balancer": "internal"}
    assert [(item["name"], item["port"]) for item in body["spec"]["ports"]] == [("http", 8080)]


def test_management_has_an_address_a_pod_even_before_it_is_ready() -> None:
    spec = children()["Service", "bank-management"]["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    assert [item["port"] for item in spec["ports"]] == [9090]


def test_an_account_of_the_users_own_is_used() -> None:
    body = workloads.deployment(target(serviceAccountName="bank-account"))
    assert body["spec"]["template"]["spec"]["serviceAccountName"] == "bank-account"


def test_the_account_that_is_made_has_no_token() -> None:
    assert workloads.service_account(bundle())["automountServiceAccountToken"] is False


def test_no_policy_is_made_when_the_spec_wants_none() -> None:
    assert ("NetworkPolicy", "bank") not in children(networkPolicy={"enabled": False})


def test_a_migration_runs_the_runtime_image_on_the_stores_schema() -> None:
    body = workloads.migration_job(store(schema="ledger"), 4, SETTINGS)
    assert body["metadata"]["name"] == "main-migrate-4"
    (owner,) = body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("EventStore", "store-uid")
    (container,) = body["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("chekov:1", "Never")
    assert container["command"][:2] == ["chekov", "migrate"]
    assert {"name": "CHEKOV_SCHEMA", "value": "ledger"} in container["env"]
    assert body["metadata"]["labels"]["chekov.dev/store"] == "main"
    assert pod_labels(body)["chekov.dev/store"] == "main"


def test_jobs_end_some_time_and_are_not_tried_again_and_again() -> None:
    for body in (workloads.check_job(target()), workloads.migration_job(store(), 1, SETTINGS)):
        assert body["spec"]["activeDeadlineSeconds"] <= 600
        assert body["spec"]["backoffLimit"] <= 2
