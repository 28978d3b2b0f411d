"""Objects that a spec refers to must exist; a missing one is reported with its field."""

from typing import Any

import pytest

from chekov_operator.controllers.bundle.references import Reference, fault_of, references
from chekov_operator.kube.content import Content
from chekov_operator.kube.kinds import CONFIG_MAP, SECRET, SERVICE_ACCOUNT
from tests.operator.samples import bundle


def from_secret(name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": "A", "valueFrom": {"secretKeyRef": {"name": name, "key": key, **more}}}


VOLUMES: list[dict[str, Any]] = [
    {"name": "a", "secret": {"secretName": "files"}},
    {"name": "b", "configMap": {"name": "c", "optional": True}},
    {"name": "d", "projected": {"sources": [{"secret": {"name": "s"}}, {"downwardAPI": {}}]}},
    {"name": "e", "emptyDir": {}},
]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        (
            {"env": [{"name": "B", "value": "1"}, from_secret("keys", "mail")]},
            [Reference("spec.env[1].valueFrom.secretKeyRef", SECRET, "keys", "mail", in_env=True)],
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]},
            [Reference("spec.env[0].valueFrom.configMapKeyRef", CONFIG_MAP, "c", "k", in_env=True)],
        ),
        (
            {"env": [from_secret("keys", "mail", optional=True)]},
            [
                Reference(
                    "spec.env[0].valueFrom.secretKeyRef",
                    SECRET,
                    "keys",
                    "mail",
                    optional=True,
                    in_env=True,
                )
            ],
        ),
        ({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}, []),
        (
            {"envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}]},
            [
                Reference("spec.envFrom[0].configMapRef", CONFIG_MAP, "c", in_env=True),
                Reference("spec.envFrom[1].secretRef", SECRET, "s", in_env=True),
            ],
        ),
        (
            {"envFrom": [{"secretRef": {"name": "s", "optional": True}}]},
            [Reference("spec.envFrom[0].secretRef", SECRET, "s", optional=True, in_env=True)],
        ),
        (
            {
                "podTemplate": {
                    "spec": {
                        "containers": [{"name": "runtime", "env": [from_secret("keys", "mail")]}]
                    }
                }
            },
            [
                Reference(
                    "spec.podTemplate.spec.containers[0].env[0].valueFrom.secretKeyRef",
                    SECRET,
                    "keys",
                    "mail",
                    in_env=True,
                )
            ],
        ),
        (
            {"podTemplate": {"spec": {"volumes": VOLUMES}}},
            [
                Reference("spec.podTemplate.spec.volumes[0].secret", SECRET, "files"),
                Reference(
                    "spec.podTemplate.spec.volumes[1].configMap", CONFIG_MAP, "c", optional=True
                ),
                Reference(
                    "spec.podTemplate.spec.volumes[2].projected.sources[0].secret", SECRET, "s"
                ),
            ],
        ),
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
def test_every_object_that_is_named_is_found(
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
    fault = fault_of(NEEDED, Content({"post": "d1", "web": "d2"}), "shops")
    assert fault is not None
    assert fault.reason == "SecretKeyMissing"
    assert "'mail'" in fault.message
    assert "post, web" in fault.message
    assert "d1" not in fault.message


def test_an_object_with_the_key_is_fine() -> None:
    assert fault_of(NEEDED, Content({"mail": "d1"}), "shops") is None


def test_an_optional_object_may_be_missing() -> None:
    assert fault_of(NEEDED._replace(optional=True), None, "shops") is None


def test_an_object_of_which_all_is_wanted_is_fine_when_it_is_empty() -> None:
    whole = Reference("spec.envFrom[0].secretRef", SECRET, "keys")
    assert fault_of(whole, Content(), "shops") is None
