"""A revision is what decides how a bundle behaves, and nothing else."""

from typing import Any

import pytest

from chekov_operator.children.revision import revision_name
from chekov_operator.kube.objects import digest
from tests.operator.samples import RUNTIME_IMAGE, bundle

BEHAVIOUR: list[dict[str, Any]] = [
    {"code": {"inline": {"modules": {"bank.py": "domain = None"}}}},
    {"code": {"image": "bank:1"}},
    {"entrypoint": "bank:other"},
    {"eventStoreRef": {"name": "other"}},
    {"env": [{"name": "A", "value": "1"}]},
    {"envFrom": [{"secretRef": {"name": "keys"}}]},
    {"podTemplate": {"spec": {"volumes": [{"name": "data", "emptyDir": {}}]}}},
    {"serviceAccountName": "bank-account"},
    {"subscriptions": [{"name": "mailer", "partitions": 4}]},
]


def revision(*, schema: str = "chekov", image: str = RUNTIME_IMAGE, **spec: Any) -> str:
    found = bundle(**spec)
    return revision_name(found, found.code.modules, schema, image)


def test_the_same_spec_is_the_same_revision() -> None:
    assert revision() == revision()


def test_a_revision_can_be_part_of_a_label() -> None:
    assert revision().isalnum()
    assert 8 <= len(revision()) <= 12


@pytest.mark.parametrize("change", BEHAVIOUR, ids=lambda change: next(iter(change)))
def test_what_changes_behaviour_makes_a_new_revision(change: dict[str, Any]) -> None:
    assert revision(**change) != revision()


@pytest.mark.parametrize(
    "change",
    [
        {"replicas": 7},
        {"resources": {"requests": {"cpu": "2"}}},
        {"telemetry": {"logLevel": "debug"}},
        {"service": {"type": "NodePort"}},
        {"networkPolicy": {"enabled": False}},
        {"imagePullPolicy": "Always"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_does_not_change_behaviour_makes_none(change: dict[str, Any]) -> None:
    assert revision(**change) == revision()


def test_a_bundle_without_settings_of_handlers_keeps_its_revision() -> None:
    assert revision(subscriptions=[]) == revision()


def test_another_schema_is_another_revision() -> None:
    assert revision(schema="ledger") != revision()


def test_the_runtime_image_counts_for_code_that_needs_it() -> None:
    image = {"image": "bank:1"}
    assert revision(image="chekov:2") != revision()
    assert revision(code=image, image="chekov:2") == revision(code=image)


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"})
