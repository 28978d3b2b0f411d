"""`spec.rollout` as a typed value."""

from typing import Any

import pytest

from chekov_operator.api.rollout import Abort, RolloutSettings, Step, parse_rollout
from chekov_operator.api.spec import InvalidSpec


def parsed(**rollout: Any) -> RolloutSettings:
    return parse_rollout({"rollout": rollout})


def test_without_it_one_pod_more_is_made_at_a_time() -> None:
    found = parse_rollout({})
    assert (found.surge(10), found.unavailable(10), found.deadline) == (1, 0, 180.0)
    assert (found.stages(10), found.abort) == ([], None)


@pytest.mark.parametrize(
    ("given", "surge", "unavailable"),
    [
        ({"maxSurge": 3}, 3, 0),
        ({"maxSurge": "25%"}, 3, 0),
        ({"maxUnavailable": "25%"}, 1, 2),
        ({"maxSurge": 0, "maxUnavailable": "1%"}, 0, 1),
    ],
)
def test_pods_are_counted_as_by_a_deployment(
    given: dict[str, Any], surge: int, unavailable: int
) -> None:
    found = parsed(**given)
    assert (found.surge(10), found.unavailable(10)) == (surge, unavailable)


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [(10, [(1, 60.0), (5, 0.0)]), (3, [(1, 60.0), (2, 0.0)]), (2, [(1, 60.0)]), (1, [])],
)
def test_shares_are_rounded_up_to_whole_pods(
    replicas: int, expected: list[tuple[int, float]]
) -> None:
    steps = [{"share": 5, "pauseSeconds": 60}, {"share": 50}, {"share": 100}]
    assert parsed(steps=steps).stages(replicas) == expected


def test_steps_are_compared_by_default() -> None:
    assert parsed(steps=[{"share": 10}]).steps == (Step(10, 0.0),)
    assert parsed(steps=[{"share": 10}]).abort == Abort()
    limits = {"failureRatio": "0.1", "latencyFactor": "3", "minCommands": 50}
    assert parsed(abort=limits).abort == Abort(0.1, 3.0, 50)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"maxSurge": "many"}, "spec.rollout.maxSurge"),
        ({"maxUnavailable": "-1"}, "spec.rollout.maxUnavailable"),
        ({"steps": [{"share": 50}, {"share": 20}]}, "spec.rollout.steps[1].share"),
        ({"steps": [{"share": 0}]}, "spec.rollout.steps[0].share"),
        ({"abort": {"failureRatio": "few"}}, "spec.rollout.abort.failureRatio"),
    ],
)
def test_what_the_definition_should_have_refused_is_refused(
    given: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidSpec) as refused:
        parsed(**given)
    assert refused.value.path == path
