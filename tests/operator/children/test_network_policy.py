"""Who may reach a bundle's pods, and what they may reach."""

from typing import Any

import pytest

from chekov_operator.children import workloads
from chekov_operator.kube.objects import Object
from chekov_operator.stores.dsn import Address
from tests.operator.samples import bundle, target

DATABASE = Address("db.example", 6432)


def policy(*databases: Address, **spec: Any) -> Object:
    found = workloads.supporting_objects(bundle(**spec), databases)
    return next(body["spec"] for body in found if body["kind"] == "NetworkPolicy")


def ports(rule: Object) -> set[tuple[str, int]]:
    return {(item["protocol"], item["port"]) for item in rule["ports"]}


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


def test_the_pods_of_checks_reach_names_only_and_nobody_reaches_them() -> None:
    body = workloads.check_policy(bundle())
    job = workloads.check_job(target())
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert body["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    serving = workloads.deployment(target())["spec"]["template"]["metadata"]["labels"]
    assert not body["spec"]["podSelector"]["matchLabels"].items() <= serving.items()
    assert body["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert body["spec"]["ingress"] == []
    assert [ports(rule) for rule in body["spec"]["egress"]] == [{("UDP", 53), ("TCP", 53)}]
