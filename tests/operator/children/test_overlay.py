"""Merging a pod template into the operator's own."""

from typing import Any

import pytest

from chekov_operator.children.overlay import by_name, merged

LAID: list[tuple[Any, Any, Any]] = [
    ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
    ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    ({"a": {"b": 1}}, {"a": None}, {"a": None}),
    (
        {"containers": [{"name": "runtime", "image": "a", "env": []}]},
        {"containers": [{"name": "runtime", "image": "b"}, {"name": "sidecar"}]},
        {"containers": [{"name": "runtime", "image": "b", "env": []}, {"name": "sidecar"}]},
    ),
    (
        {"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]},
        {"volumeMounts": [{"name": "tmp", "mountPath": "/var/tmp"}]},
        {
            "volumeMounts": [
                {"name": "tmp", "mountPath": "/tmp"},
                {"name": "tmp", "mountPath": "/var/tmp"},
            ]
        },
    ),
    (
        {"env": [{"name": "A", "value": "1"}]},
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
    ),
    (
        {"tolerations": [{"key": "a"}]},
        {"tolerations": [{"key": "b"}]},
        {"tolerations": [{"key": "b"}]},
    ),
]


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    LAID,
    ids=["added", "within", "plain list", "nothing", "containers", "mounts", "env", "no key"],
)
def test_one_is_laid_on_the_other(base: Any, over: Any, expected: Any) -> None:
    before = repr(base)
    assert merged(base, over) == expected
    assert repr(base) == before


def test_a_namesake_takes_the_place_of_the_first() -> None:
    base = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert by_name(base, [{"name": "A", "value": "9"}, {"name": "C", "value": "3"}]) == [
        {"name": "A", "value": "9"},
        {"name": "B", "value": "2"},
        {"name": "C", "value": "3"},
    ]
