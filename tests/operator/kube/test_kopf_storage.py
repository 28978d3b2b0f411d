"""Storages that keep nothing: kopf finds no difference and no handler under way."""

from typing import Any

import kopf

from chekov_operator.kube.kopf_storage import NoDiffBase, NoProgress
from chekov_operator.kube.watch import configured


def test_nothing_is_built_from_an_object() -> None:
    body: Any = {"metadata": {"name": "bank"}, "spec": {"replicas": 2}}
    assert NoDiffBase().build(body=body) == {}
    assert NoDiffBase().fetch(body=body) is None
    assert NoProgress().clear(essence={"spec": 1}) == {"spec": 1}


def test_the_operator_uses_them() -> None:
    settings = configured(kopf.OperatorSettings(), namespaced=False)
    assert isinstance(settings.persistence.diffbase_storage, NoDiffBase)
    assert isinstance(settings.persistence.progress_storage, NoProgress)
