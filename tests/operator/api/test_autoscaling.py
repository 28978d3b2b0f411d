"""Parsing `spec.autoscaling`, and refusing what its definition should have refused."""

from typing import Any

import pytest

from chekov_operator.api.autoscaling import Autoscaling
from chekov_operator.api.spec import InvalidSpec
from tests.operator.samples import bundle


def test_without_it_the_user_sets_the_number_of_pods() -> None:
    assert bundle().autoscaling is None


def test_by_default_pods_follow_processor_time_alone() -> None:
    assert bundle(autoscaling={"maxReplicas": 4}).autoscaling == Autoscaling(least=1, most=4)


def test_everything_can_be_given() -> None:
    given = {
        "minReplicas": 0,
        "maxReplicas": 4,
        "targetCPU": 50,
        "targetLag": 1000,
        "stabilizationSeconds": 0,
    }
    assert bundle(autoscaling=given).autoscaling == Autoscaling(0, 4, 50, 1000, 0)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "spec.autoscaling.maxReplicas"),
        ({"minReplicas": 3, "maxReplicas": 2}, "spec.autoscaling.maxReplicas"),
        ({"minReplicas": 0, "maxReplicas": 2}, "spec.autoscaling.minReplicas"),
    ],
)
def test_bounds_that_contradict_each_other_are_refused(given: Any, path: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        bundle(autoscaling=given)
    assert caught.value.path == path
