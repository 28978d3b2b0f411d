"""The part of a bundle's status that is not conditions."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chekov.store.port import SubscriptionKey, SubscriptionRow
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.controllers.bundle.status import bundle_status
from chekov_operator.kube.objects import Object
from tests.operator.samples import bundle, by_name, target

RESULT = {
    "ok": True,
    "domain": "bank",
    "commands": ["OpenAccount", "Deposit"],
    "events": ["money-deposited", "AccountOpened"],
    "subscriptions": [
        {"name": "balances", "kind": "projection", "version": 2},
        {"name": "welcome", "kind": "handler", "version": 1},
    ],
}


def row(
    name: str,
    *,
    version: int = 1,
    partition: int = 0,
    generation: int = 1,
    position: int = 40,
    **more: Any,
) -> SubscriptionRow:
    values: dict[str, Any] = {"owner": None, "state": "running", "error": None, "parked": 0, **more}
    return SubscriptionRow(
        key=SubscriptionKey("bank", name, version, partition, generation),
        position=position,
        epoch=1,
        updated=datetime(2026, 11, 24, tzinfo=UTC),
        **values,
    )


def observed(rows: list[SubscriptionRow] | None, head: int = 42) -> ObservedBundle:
    return ObservedBundle(subscriptions=rows, head=head)


def deployment(**status: Any) -> Object:
    return deployment_of(target().name, **status)


def deployment_of(revision: str, **status: Any) -> Object:
    metadata = {"name": f"bank-{revision}", "labels": {"chekov.dev/revision": revision}}
    return {"kind": "Deployment", "metadata": metadata, "status": status}


def of(around: ObservedBundle, *live: Object, phase: str = "Ready") -> Object:
    around = replace(around, children=by_name(*live))
    return bundle_status(bundle(), around, target().name, RESULT, phase=phase)


def test_pods_are_counted() -> None:
    live = deployment(replicas=3, updatedReplicas=3, readyReplicas=1)
    found = of(observed(None), live)
    assert (found["replicas"], found["readyReplicas"], found["ready"]) == (3, 1, "1/2")


def test_while_a_revision_does_not_become_ready_the_pods_of_another_do_not_count() -> None:
    live = deployment(replicas=3, updatedReplicas=1, readyReplicas=2)
    assert of(observed(None), live)["ready"] == "0/2"


def test_without_a_deployment_there_are_no_pods() -> None:
    found = of(observed(None))
    assert (found["replicas"], found["readyReplicas"], found["ready"]) == (0, 0, "0/2")


def test_while_two_revisions_serve_the_selector_finds_the_pods_of_both_and_they_are_counted() -> (
    None
):
    name = target().name
    counts = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
    found = of(observed(None), deployment_of(name, **counts), deployment_of("aaaa", **counts))
    assert (found["replicas"], found["readyReplicas"]) == (4, 2)
    assert found["selector"].endswith(
        f"chekov.dev/revision in ({','.join(sorted((name, 'aaaa')))})"
    )
    kept = deployment_of("aaaa", replicas=0)
    assert of(observed(None), deployment_of(name, **counts), kept)["selector"].endswith(f"={name}")


def test_the_selector_finds_the_pods_of_the_revision_that_serves() -> None:
    found = of(observed(None), deployment())
    assert found["revision"] == target().name
    parts = dict(part.split("=") for part in found["selector"].split(","))
    assert parts["chekov.dev/bundle"] == "bank"
    assert parts["chekov.dev/revision"] == target().name


def test_a_bundle_that_never_ran_has_no_revision() -> None:
    found = bundle_status(bundle(), ObservedBundle(), None, None, phase="Checking")
    assert found == {"phase": "Checking", "replicas": 0, "readyReplicas": 0, "ready": "0/2"}


def test_the_domains_commands_and_events_are_sorted() -> None:
    found = of(observed(None))
    assert found["commands"] == ["Deposit", "OpenAccount"]
    assert found["events"] == ["AccountOpened", "money-deposited"]


def test_lag_is_that_of_the_slowest_and_parked_events_are_summed() -> None:
    rows = [
        row("balances", version=2, position=30, parked=1, owner="bank-1"),
        row("welcome", position=42, parked=2),
    ]
    found = of(observed(rows))
    assert (found["lag"], found["parked"]) == (12, 3)
    assert found["subscriptions"] == [
        {
            "name": "balances",
            "partition": 0,
            "kind": "projection",
            "version": 2,
            "state": "catching-up",
            "position": 30,
            "lag": 12,
            "parked": 1,
            "parkedKeys": 0,
            "owner": "bank-1",
        },
        {
            "name": "welcome",
            "partition": 0,
            "kind": "handler",
            "version": 1,
            "state": "waiting",
            "position": 42,
            "lag": 0,
            "parked": 2,
            "parkedKeys": 0,
        },
    ]


def test_subscriptions_that_older_code_left_behind_are_not_reported() -> None:
    found = of(observed([row("balances", version=1, position=1), row("gone", position=1)]))
    assert (found["subscriptions"], found["lag"]) == ([], 0)


def test_a_subscription_is_never_ahead_of_its_store() -> None:
    found = of(observed([row("welcome", position=50)], head=42))
    assert found["subscriptions"][0]["lag"] == 0


def test_without_a_reading_of_the_store_no_subscriptions_are_reported() -> None:
    found = of(observed(None))
    assert {"subscriptions", "lag", "parked"}.isdisjoint(found)


def test_the_status_is_plain_json() -> None:
    found = of(observed([row("welcome")]), deployment(replicas=2))
    assert json.loads(json.dumps(found)) == found


def test_partitions_of_a_subscription_are_reported_apart() -> None:
    rows = [row("welcome", partition=number, position=40 + number) for number in (0, 1)]
    found = of(observed(rows))["subscriptions"]
    assert [(item["partition"], item["position"]) for item in found] == [(0, 40), (1, 41)]


def test_a_rebuild_is_not_reported_beside_the_generation_that_serves() -> None:
    """They have the same name, and a status may list a name and partition only once."""
    serving = row("balances", version=2, position=40)
    rebuild = row("balances", version=2, generation=2, position=7, building=True)
    [item] = of(observed([serving, rebuild]))["subscriptions"]
    assert item["position"] == 40
    taken_over = row("balances", version=2, generation=2, position=41)
    [item] = of(observed([taken_over]))["subscriptions"]
    assert item["position"] == 41
    first = row("balances", version=2, position=3, building=True)
    [item] = of(observed([first]))["subscriptions"]
    assert item["position"] == 3
