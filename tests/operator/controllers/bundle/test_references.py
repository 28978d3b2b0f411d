"""Objects that a spec refers to must exist; a missing one is reported with its field."""

from typing import Any

import pytest

from chekov_operator.controllers.bundle.references import Reference, fault_of, references
from chekov_operator.kube.kinds import CONFIG_MAP, SECRET, SERVICE_ACCOUNT
from tests.operator.samples import bundle


def from_secret(name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": "A", "valueFrom": {"secretKeyRef": {"name": name, "key": key, **more}}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        (
            {"env": [{"name": "B", "value": "1"}, from_secret("keys", "mail")]},
            [Reference("spec.env[1].valueFrom.secretKeyRef", SECRET, "keys", "mail")],
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]},
            [Reference("spec.env[0].valueFrom.configMapKeyRef", CONFIG_MAP, "c", "k")],
        ),
        ({"env": [from_secret("keys", "mail", optional=True)]}, []),
        ({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}, []),
        (
            {"envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}]},
            [
                Reference("spec.envFrom[0].configMapRef", CONFIG_MAP, "c"),
                Reference("spec.envFrom[1].secretRef", SECRET, "s"),
            ],
        ),
        ({"envFrom": [{"secretRef": {"name": "s", "optional": True}}]}, []),
        (
            {"serviceAccountName": "bank-account"},
            [Reference("spec.serviceAccountName", SERVICE_ACCOUNT, "bank-account")],
        ),
        (
            {"imagePullSecrets": [{"name": "registry"}]},
            [Reference("spec.imagePullSecrets[0]", SECRET, "registry")],
        ),
    ],
)
def test_every_object_that_must_be_there_is_found(
    spec: dict[str, Any], expected: list[Reference]
) -> None:
    assert list(references(bundle(**spec))) == expected


NEEDED = Reference("spec.env[0].valueFrom.secretKeyRef", SECRET, "keys", "mail")


def test_a_missing_object_is_reported() -> None:
    fault = fault_of(NEEDED, None, "shops")
    assert fault is not None
    assert fault.reason == "SecretNotFound"
    for word in ("spec.env[0].valueFrom.secretKeyRef", "'keys'", "'shops'", "create it"):
        assert word in fault.message


def test_a_missing_key_is_reported_with_the_existing_ones() -> None:
    fault = fault_of(NEEDED, {"data": {"post": "cw==", "web": "cw=="}}, "shops")
    assert fault is not None
    assert fault.reason == "SecretKeyMissing"
    assert "'mail'" in fault.message
    assert "post, web" in fault.message
    assert "cw==" not in fault.message


@pytest.mark.parametrize("place", ["data", "binaryData"])
def test_an_object_with_the_key_is_fine(place: str) -> None:
    assert fault_of(NEEDED, {place: {"mail": "cw=="}}, "shops") is None


def test_an_object_of_which_all_is_wanted_is_fine_when_it_is_empty() -> None:
    whole = Reference("spec.envFrom[0].secretRef", SECRET, "keys")
    assert fault_of(whole, {"metadata": {}}, "shops") is None
