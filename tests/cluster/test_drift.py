"""The operator repairs what is edited by hand in a child, however Kubernetes stores the edit."""

import json
from typing import Any

import pytest

from tests.cluster.bank import Bank
from tests.cluster.kube.shell import wait_for
from tests.cluster.kubectl import Kubectl

_CONTAINER = "/spec/template/spec/containers/0"
_OTHER_PORT = {"name": "http", "port": 9999, "targetPort": 9999}
_EDITS: dict[str, tuple[str, Any]] = {
    "ports replaced": ("service", {"spec": {"ports": [_OTHER_PORT]}}),
    "selector replaced": ("service", {"spec": {"selector": {"chekov.dev/bundle": "other"}}}),
    "selector narrowed": ("service", {"spec": {"selector": {"app": "other"}}}),
    "type changed": ("service", {"spec": {"type": "NodePort"}}),
    "a label removed": ("service", {"metadata": {"labels": {"app.kubernetes.io/name": None}}}),
    "the bundle's label removed": (
        "service",
        {"metadata": {"labels": {"chekov.dev/bundle": None}}},
    ),
    "the operator's label removed": (
        "networkpolicy",
        {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}},
    ),
    "the owner removed": ("poddisruptionbudget", {"metadata": {"ownerReferences": None}}),
    "everybody let in": ("networkpolicy", {"spec": {"ingress": [{}]}}),
    "a rule narrowed": (
        "networkpolicy",
        [{"op": "add", "path": "/spec/ingress/1/from/0/podSelector", "value": {}}],
    ),
    "a budget of the other sort": (
        "poddisruptionbudget",
        {"spec": {"maxUnavailable": None, "minAvailable": 1}},
    ),
    "a token mounted": ("serviceaccount", {"automountServiceAccountToken": True}),
    "pods taken away": ("deployment", {"spec": {"replicas": 0}}),
    "another strategy": (
        "deployment",
        {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}},
    ),
    "another image": (
        "deployment",
        [{"op": "replace", "path": f"{_CONTAINER}/image", "value": "docker.io/chekov/other:1"}],
    ),
    "a variable removed": ("deployment", [{"op": "remove", "path": f"{_CONTAINER}/env/1"}]),
    "a variable with a value instead of a source": (
        "deployment",
        [
            {"op": "remove", "path": f"{_CONTAINER}/env/0/valueFrom"},
            {"op": "add", "path": f"{_CONTAINER}/env/0/value", "value": "postgresql://other"},
        ],
    ),
    "a probe of the other sort": (
        "deployment",
        [
            {"op": "remove", "path": f"{_CONTAINER}/livenessProbe/httpGet"},
            {"op": "add", "path": f"{_CONTAINER}/livenessProbe/tcpSocket", "value": {"port": 1}},
        ],
    ),
}


def _shown(kubectl: Kubectl, kind: str, name: str) -> dict[str, Any]:
    """A child without the fields that change with each write."""
    child = kubectl.get(kind, name)
    kept = ("labels", "ownerReferences")
    metadata = {field: child["metadata"].get(field) for field in kept}
    rest = {field: value for field, value in child.items() if field not in ("metadata", "status")}
    return {**rest, "metadata": metadata}


@pytest.mark.parametrize(("kind", "edit"), _EDITS.values(), ids=_EDITS)
def test_an_edited_child_is_set_right(bank: Bank, kind: str, edit: Any) -> None:
    name = bank.child(kind)
    before = _shown(bank.kubectl, kind, name)
    sort = "json" if isinstance(edit, list) else "merge"
    words = ("patch", kind, name, f"--type={sort}", f"--patch={json.dumps(edit)}")
    bank.kubectl.run(*words)
    wait_for(
        f"the {kind} to be as before",
        lambda: _shown(bank.kubectl, kind, name) == before,
        timeout=20,
    )


def test_after_all_edits_the_bank_serves_and_nothing_is_wrong(bank: Bank) -> None:
    bank.wait_until_served()
    wait_for(
        "the status to be calm",
        lambda: bank.kubectl.condition("domainbundle", bank.name, "Degraded")["status"] == "False",
    )


def test_what_others_put_beside_it_stays(bank: Bank) -> None:
    note = {"metadata": {"annotations": {"example.com/note": "theirs"}}}
    bank.kubectl.patch("service", bank.name, note)
    bank.kubectl.patch("service", bank.name, {"spec": {"ports": [_OTHER_PORT]}})

    def healed() -> bool:
        return bank.kubectl.get("service", bank.name)["spec"]["ports"][0]["port"] != 9999

    wait_for("the port to be right again", healed)
    service = bank.kubectl.get("service", bank.name)
    assert service["metadata"]["annotations"]["example.com/note"] == "theirs"
    managers = bank.kubectl.run(
        "get", "service", bank.name, "--show-managed-fields", "--output=json"
    )
    owners = [
        (item["manager"], item["operation"])
        for item in json.loads(managers)["metadata"]["managedFields"]
    ]
    assert ("chekov-operator", "Update") not in owners
