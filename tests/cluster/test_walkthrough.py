"""What a newcomer does: apply the bank, execute commands, read the results."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from tests.cluster.bank import Bank
from tests.cluster.clusters import Cluster
from tests.cluster.kube.shell import wait_for
from tests.cluster.kubectl import Kubectl
from tests.cluster.manifests import bundle

CHILDREN = (
    "bundlerevision",
    "deployment",
    "service",
    "configmap",
    "poddisruptionbudget",
    "networkpolicy",
    "serviceaccount",
)


def _open(bank: Bank) -> str:
    account = str(uuid4())
    answer = bank.command("OpenAccount", {"account_id": account, "owner": "Ada"})
    assert answer.status == 200, answer
    return account


def test_a_command_through_the_service_is_stored_and_projected(bank: Bank) -> None:
    account = _open(bank)
    answer = bank.command("Deposit", {"account_id": account, "amount": 25}, {"Prefer": "wait=10"})
    assert answer.status == 200, answer
    assert answer.json()["consistent"] is True
    stored = bank.call("GET", f"/streams/account-{account}").json()["events"]
    assert [event["type"] for event in stored] == ["AccountOpened", "money-deposited"]
    read = bank.call("GET", f"/queries/balances/balance?account=account-{account}")
    assert read.json() == 25


def test_a_refusal_of_the_domain_reaches_the_client(bank: Bank) -> None:
    account = _open(bank)
    answer = bank.command("Withdraw", {"account_id": account, "amount": 1000})
    assert answer.status == 422
    assert answer.json()["rejection"] == "Overdrawn"


def test_bundles_are_listed_with_what_a_person_looks_for(bank: Bank) -> None:
    heads, row = bank.kubectl.run("get", "bundles").splitlines()
    assert heads.split() == ["NAME", "REVISION", "READY", "LAG", "PARKED", "PHASE", "AGE"]
    cells = dict(zip(heads.split(), row.split(), strict=True))
    assert cells["NAME"] == bank.name
    assert cells["READY"] == "2/2"
    assert cells["PARKED"] == "0"


def test_the_status_names_what_the_domain_holds(bank: Bank) -> None:
    status = bank.kubectl.get("domainbundle", bank.name)["status"]
    assert {"OpenAccount", "Deposit", "RequestTransfer"} <= set(status["commands"])

    def subscriptions() -> list[str]:
        now = bank.kubectl.get("domainbundle", bank.name)["status"]
        return [found["name"] for found in now["subscriptions"]]

    names = ["balances", "interest", "transfer"]
    wait_for("the subscriptions in the status", lambda: subscriptions() == names)


@pytest.mark.parametrize("path", ["domainbundle.spec", "domainbundle.status", "eventstore.spec"])
def test_explain_describes_every_field(bank: Bank, path: str) -> None:
    explained = bank.kubectl.run("explain", path)
    assert "<no description>" not in explained
    assert "FIELDS:" in explained


def _log(kubectl: Kubectl, pod: Mapping[str, Any]) -> list[str]:
    return kubectl.run("logs", pod["metadata"]["name"]).splitlines()


def test_every_line_of_a_runtime_log_is_json(bank: Bank) -> None:
    pods = bank.pods()
    assert pods
    for pod in pods:
        lines = _log(bank.kubectl, pod)
        assert lines
        assert all({"level", "message"} <= json.loads(line).keys() for line in lines)


def test_every_line_of_the_operator_log_is_json(bank: Bank, system: Kubectl) -> None:
    del bank
    pods = system.list("pods", "app.kubernetes.io/name=chekov-operator")
    lines = [line for pod in pods for line in _log(system, pod)]
    assert lines
    assert all({"level", "message"} <= json.loads(line).keys() for line in lines)


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_bundle_owns_its_children(bank: Bank, kind: str) -> None:
    # The code of a revision goes with its record.
    owner = "bundlerevision" if kind == "configmap" else "domainbundle"
    name = f"{bank.name}-{bank.revision()}" if kind == "configmap" else bank.name
    uid = bank.kubectl.get(owner, name)["metadata"]["uid"]
    found = bank.kubectl.list(kind, f"chekov.dev/bundle={bank.name}")
    assert found
    for child in found:
        assert [of["uid"] for of in child["metadata"]["ownerReferences"]] == [uid]


def test_pods_run_without_rights(bank: Bank) -> None:
    pods = bank.pods()
    assert pods
    for pod in pods:
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        security = spec["containers"][0]["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}


def test_the_bank_runs_from_an_image_of_its_own(bank: Bank, cluster: Cluster) -> None:
    packed = Bank(bank.kubectl, cluster, name="packed-bank")
    packed.kubectl.apply(bundle(packed.name, {"image": cluster.bank_image}, replicas=1))
    packed.wait_until_served()
    account = _open(packed)
    assert packed.call("GET", f"/streams/account-{account}").status == 200
