"""Where a live object differs from the wanted one."""

from typing import Any

import pytest

from chekov_operator.kube.drift import differences


@pytest.mark.parametrize(
    ("wanted", "current", "paths"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": 1}, {"a": 2}, [".a"]),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, []),
        ({"a": {"b": 1}}, None, [".a.b"]),
        ({"a": {"b": 1}}, {"a": "text"}, [".a"]),
        ({"a": [], "b": {}, "c": ""}, {}, []),
        ({"a": False, "b": 0}, {}, [".a", ".b"]),
        ({"a": [1, 2]}, {"a": [1]}, [".a"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, [".a[1]"]),
        (
            {"c": [{"name": "runtime", "image": "a"}]},
            {"c": [{"name": "injected"}, {"name": "runtime", "image": "a"}]},
            [],
        ),
        (
            {"c": [{"name": "runtime", "image": "a"}]},
            {"c": [{"name": "runtime", "image": "b"}]},
            [".c[runtime].image"],
        ),
        ({"c": [{"name": "runtime"}]}, {"c": []}, [".c[runtime].name"]),
        ({"s": {"selector": {"a": "1"}}}, {"s": {"selector": {"a": "1"}}}, []),
        (
            {"s": {"selector": {"a": "1"}}},
            {"s": {"selector": {"a": "1", "b": "2"}}},
            [".s.selector"],
        ),
        ({"ingress": [{"ports": [1]}]}, {"ingress": [{"ports": [1], "from": [2]}]}, [".ingress"]),
    ],
)
def test_only_what_is_wanted_and_not_there_is_a_difference(
    wanted: Any, current: Any, paths: list[str]
) -> None:
    assert list(differences(wanted, current)) == paths


def test_a_difference_has_the_value_that_is_there() -> None:
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}) == {".a.b": 3}
