"""Whether the server of a store has connections for the next pods of a bundle."""

from typing import Any

import pytest

from chekov.store.postgres.pool import most_connections
from chekov_operator.controllers.bundle.connections import (
    Connections,
    connections_in,
    connections_of,
)
from chekov_operator.controllers.bundle.observed import ObservedBundle, Server
from chekov_operator.controllers.bundle.pod_counts import Limits, Pods
from chekov_operator.kube.content import Content
from tests.operator.samples import bundle

SERVER = Server(used=80, limit=97)
OLD, NEW = "aaaa", "bbbb"
SIZE = {"name": "CHEKOV_POOL_SIZE", "value": "20"}
CONTENTS: dict[tuple[str, str], Content | None] = {
    ("ConfigMap", "sizes"): Content(
        {"CHEKOV_POOL_SIZE": "x", "POOL_SIZE": "x"}, {"CHEKOV_POOL_SIZE": "30", "POOL_SIZE": "40"}
    ),
    ("Secret", "sizes"): Content({"CHEKOV_POOL_SIZE": "x"}),
}


def of_template(**fields: Any) -> dict[str, Any]:
    return {"podTemplate": {"spec": {"containers": [{"name": "runtime", **fields}]}}}


def from_object(kind: str, **fields: str) -> dict[str, Any]:
    return {"envFrom": [{kind: {"name": "sizes"}, **fields}]}


def key_of(field: str) -> dict[str, Any]:
    source = {field: {"name": "sizes", "key": "CHEKOV_POOL_SIZE"}}
    return {"env": [{"name": "CHEKOV_POOL_SIZE", "valueFrom": source}]}


@pytest.mark.parametrize(
    ("spec", "size"),
    [
        ({}, 10),
        ({"env": [SIZE]}, 20),
        ({"env": [{**SIZE, "value": ""}]}, 10),
        (of_template(env=[SIZE]), 20),
        ({"env": [{**SIZE, "value": "50"}], **of_template(env=[SIZE])}, 20),
        (from_object("configMapRef"), 30),
        (from_object("configMapRef", prefix="CHEKOV_"), 40),
        ({**from_object("configMapRef"), "env": [SIZE]}, 20),
        (key_of("configMapKeyRef"), 30),
    ],
    ids=[
        "by default",
        "of the bundle",
        "empty",
        "of the pod template",
        "of both",
        "of a ConfigMap",
        "of a ConfigMap with a prefix",
        "of a ConfigMap and the bundle",
        "of a key of a ConfigMap",
    ],
)
def test_a_pod_takes_what_its_settings_allow(spec: dict[str, Any], size: int) -> None:
    found = connections_of(bundle(**spec), ObservedBundle(server=SERVER, contents=CONTENTS))
    assert found == Connections(most_connections(size), 80, 97)


@pytest.mark.parametrize(
    "spec",
    [
        key_of("secretKeyRef"),
        from_object("secretRef"),
        {"env": [{"name": "CHEKOV_POOL_SIZE", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]},
        {"env": [{**SIZE, "value": "many"}]},
    ],
    ids=["of a key of a Secret", "of a Secret", "of a field of the pod", "no number"],
)
def test_a_size_that_the_operator_cannot_read_is_not_known(spec: dict[str, Any]) -> None:
    observed = ObservedBundle(server=SERVER, contents=CONTENTS)
    assert connections_of(bundle(**spec), observed) is None


@pytest.mark.parametrize("server", [None, Server(0, 0)], ids=["not read", "without a limit"])
def test_a_server_without_figures_has_none(server: Server | None) -> None:
    assert connections_of(bundle(), ObservedBundle(server=server)) is None


@pytest.mark.parametrize(
    ("used", "now", "room"),
    [
        (70, {}, 2),
        (70, {NEW: Pods(1, 0)}, 1),
        (70, {NEW: Pods(3, 0)}, 0),
        (60, {NEW: Pods(1, 1), OLD: Pods(3, 2)}, 2),
        (60, {NEW: Pods(1, 0), OLD: Pods(3, 2)}, 1),
        (60, {NEW: Pods(1, 1), OLD: Pods(3, 0, stuck=3)}, 3),
        (60, {NEW: Pods(1, 0, stuck=1), OLD: Pods(3, 3)}, 2),
        (90, {}, 0),
        (120, {}, 0),
    ],
    ids=[
        "two pods",
        "one of them is starting",
        "all of them are, and another one",
        "one of another revision is starting",
        "one of each is",
        "other revisions' pods that are stuck do not count",
        "its own ones do, since they may take theirs all at once",
        "too few for one",
        "more in use than the limit, by superusers",
    ],
)
def test_the_room_for_more_pods(used: int, now: dict[str, Pods], room: int) -> None:
    assert Connections(10, used, limit=90).room(NEW, now) == room


def are_short(now: dict[str, Pods], *, surge: int = 1, used: int = 90) -> bool:
    limits = Limits(replicas=3, surge=surge, unavailable=0, share=3)
    return Connections(15, used, limit=97).are_short(NEW, now, limits)


def test_connections_are_short_only_if_the_next_pod_waits_for_nothing_else() -> None:
    assert are_short({OLD: Pods(3, 3)})
    assert are_short({OLD: Pods(2, 2), NEW: Pods(1, 1)})
    assert not are_short({OLD: Pods(3, 3)}, used=80)
    assert not are_short({OLD: Pods(3, 3), NEW: Pods(1, 0)}), "a pod is starting"
    assert not are_short({OLD: Pods(3, 2)}), "a pod of another revision is"
    assert are_short({OLD: Pods(3, 2, stuck=1)}), "that one has not become ready for long"
    assert not are_short({OLD: Pods(3, 3), NEW: Pods(1, 1)}), "an old pod goes first"
    assert not are_short({OLD: Pods(0, 0), NEW: Pods(3, 3)}), "all are there"


def test_what_a_status_says_of_them_is_read_back() -> None:
    status = {"connections": {"needed": 15, "used": 90, "limit": 97}}
    assert connections_in(status) == Connections(15, 90, 97)
    nothing: list[dict[str, dict[str, int]]] = [
        {},
        {"connections": {}},
        {"connections": {"needed": 0, "used": 1, "limit": 2}},
    ]
    assert [connections_in(found) for found in nothing] == [None] * 3
