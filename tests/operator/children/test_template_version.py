"""What pods are made from stays as it is for a revision, whichever operator makes them."""

from dataclasses import replace
from typing import Any, Final

import pytest

from chekov_operator.children.revision import TEMPLATE_VERSION
from chekov_operator.children.workloads import deployment
from chekov_operator.kube.objects import digest
from tests.operator.samples import store, target

RICH: Final[dict[str, Any]] = {
    "code": {"image": "bank:1"},
    "env": [{"name": "A", "value": "1"}],
    "envFrom": [{"secretRef": {"name": "keys"}}],
    "resources": {"limits": {"memory": "1Gi"}},
    "serviceAccountName": "bank-account",
    "imagePullSecrets": [{"name": "registry"}],
    "subscriptions": [{"name": "mailer", "partitions": 4}],
    "telemetry": {"endpoint": "http://collector:4318", "sampleRatio": "0.1"},
    "tls": {"secretRef": {"name": "certificate"}},
    "auth": {
        "tokens": {"secretRef": {"name": "tokens"}},
        "managementToken": {"secretRef": {"name": "management", "key": "token"}},
    },
    "podTemplate": {
        "metadata": {"labels": {"team": "bank"}, "annotations": {"note": "x"}},
        "spec": {"containers": [{"name": "proxy", "image": "proxy:1"}]},
    },
}
POOLED: Final = {"secretRef": {"name": "postgres"}, "pooled": True}
TEMPLATES: Final = {
    1: {"plain": "18361d814d", "rich": "b20d320bf8", "pooled": "eb451122c5"},
}
"""Digests of what each version makes."""


def made(version: int) -> dict[str, str]:
    behind = replace(target(), store=store(connection=POOLED))
    revisions = {"plain": target(), "rich": target(**RICH), "pooled": behind}
    return {
        name: digest(deployment(replace(revision, template=version))["spec"]["template"])
        for name, revision in revisions.items()
    }


@pytest.mark.parametrize("version", range(1, TEMPLATE_VERSION + 1))
def test_the_pods_of_a_version_of_the_template_never_change(version: int) -> None:
    assert made(version) == TEMPLATES[version], (
        "with this change an upgrade of the operator would replace the pods of every bundle: make "
        "it for revisions of the next TEMPLATE_VERSION only, and add what that makes here"
    )


def test_each_version_is_known() -> None:
    assert list(TEMPLATES) == list(range(1, TEMPLATE_VERSION + 1))
