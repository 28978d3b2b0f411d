"""The children of bundles and stores: who owns them, whom they select, whom they let in."""

from typing import Any

import pytest

from chekov_operator import workloads
from chekov_operator.dsn import Address
from chekov_operator.resources import Object
from chekov_operator.settings import Settings
from tests.operator.samples import bundle, store, target

SETTINGS = Settings(runtime_image="chekov:1", runtime_pull_policy="Never")
DATABASE = Address("db.example", 6432)


def children(**spec: Any) -> dict[tuple[str, str], Object]:
    """All children of the bank."""
    found = [
        *workloads.surroundings(bundle(**spec), [DATABASE]),
        workloads.service_account(bundle(**spec)),
        workloads.check_job(target(**spec)),
        workloads.deployment(target(**spec)),
    ]
    return {(body["kind"], body["metadata"]["name"]): body for body in found}


def pod_labels(body: Object) -> dict[str, str]:
    return body["spec"]["template"]["metadata"]["labels"]


def selects(labels: dict[str, str], of: dict[str, str]) -> bool:
    return labels.items() <= of.items()


def test_a_bundle_has_these_children() -> None:
    assert sorted(children()) == [
        ("Deployment", "bank"),
        ("Job", f"bank-check-{target().revision}"),
        ("NetworkPolicy", "bank"),
        ("PodDisruptionBudget", "bank"),
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
        assert body["metadata"]["labels"]["chekov.dev/revision"] == target().revision
        assert pod_labels(body)["chekov.dev/revision"] == target().revision
        assert pod_labels(body)["app.kubernetes.io/managed-by"] == "chekov-operator"


def test_what_selects_pods_selects_those_that_serve_and_never_those_of_checks() -> None:
    found = children()
    serving = pod_labels(found["Deployment", "bank"])
    checking = pod_labels(workloads.check_job(target()))
    selectors: list[dict[str, str]] = [
        found["Service", "bank"]["spec"]["selector"],
        found["Service", "bank-management"]["spec"]["selector"],
        found["PodDisruptionBudget", "bank"]["spec"]["selector"]["matchLabels"],
        found["Deployment", "bank"]["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selects(selector, serving)
        assert not selects(selector, checking)
        assert "chekov.dev/revision" not in selector


def test_a_rollout_never_takes_a_pod_away_before_the_next_one_serves() -> None:
    spec = children()["Deployment", "bank"]["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert spec["strategy"]["rollingUpdate"]["maxSurge"]
    assert spec["replicas"] == 2


@pytest.mark.parametrize(("replicas", "budgeted"), [(0, False), (1, False), (2, True)])
def test_a_budget_needs_more_than_one_pod(replicas: int, budgeted: bool) -> None:  # noqa: FBT001
    assert (("PodDisruptionBudget", "bank") in children(replicas=replicas)) is budgeted


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


def policy(*databases: Address, **spec: Any) -> Object:
    found = workloads.surroundings(bundle(**spec), databases)
    return next(body["spec"] for body in found if body["kind"] == "NetworkPolicy")


def ports(rule: Object) -> set[tuple[str, int]]:
    return {(item["protocol"], item["port"]) for item in rule["ports"]}


def test_no_policy_is_made_when_the_spec_wants_none() -> None:
    assert ("NetworkPolicy", "bank") not in children(networkPolicy={"enabled": False})


def test_the_api_is_open_to_all_unless_the_spec_names_who_may() -> None:
    (api, _) = policy()["ingress"]
    assert ports(api) == {("TCP", 8080)}
    assert "from" not in api
    peers = [{"namespaceSelector": {"matchLabels": {"team": "web"}}}]
    (api, _) = policy(networkPolicy={"ingressFrom": peers})["ingress"]
    assert api["from"] == peers


def test_management_is_open_to_the_cluster_only() -> None:
    (_, management) = policy()["ingress"]
    assert ports(management) == {("TCP", 9090)}
    assert management["from"]


def test_pods_reach_names_and_their_database_and_nothing_else() -> None:
    found = policy(DATABASE)
    assert found["policyTypes"] == ["Ingress", "Egress"]
    assert set().union(*map(ports, found["egress"])) == {("UDP", 53), ("TCP", 53), ("TCP", 6432)}


def test_a_database_that_is_an_address_is_the_only_one_reached() -> None:
    (_, database) = policy(Address("10.1.2.3", 5432))["egress"]
    assert database["to"] == [{"ipBlock": {"cidr": "10.1.2.3/32"}}]
    (_, database) = policy(Address("fd00::5", 5432))["egress"]
    assert database["to"] == [{"ipBlock": {"cidr": "fd00::5/128"}}]


def test_every_server_of_a_database_is_reached() -> None:
    servers = [Address(f"10.1.2.{number}", 5431 + number) for number in (1, 2)]
    (_, *databases) = policy(*servers)["egress"]
    assert [rule["to"][0]["ipBlock"]["cidr"] for rule in databases] == [
        "10.1.2.1/32",
        "10.1.2.2/32",
    ]
    assert [ports(rule) for rule in databases] == [{("TCP", 5432)}, {("TCP", 5433)}]
    (_, *databases) = policy(Address("one", 5432), Address("two", 5432))["egress"]
    assert databases == [{"ports": [{"protocol": "TCP", "port": 5432}]}]


def test_the_usual_port_is_open_while_the_database_is_not_known() -> None:
    assert ("TCP", 5432) in set().union(*map(ports, policy()["egress"]))


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("http://collector:4318", 4318), ("http://collector", 80), ("https://traces.example/v1", 443)],
)
def test_traces_may_leave_to_their_collector(endpoint: str, port: int) -> None:
    found = policy(telemetry={"otlpEndpoint": endpoint})
    assert ("TCP", port) in ports(found["egress"][-1])


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
