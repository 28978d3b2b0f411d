"""The part of a bundle's status that tells what is there."""

import json
from datetime import UTC, datetime
from typing import Any

from chekov.store.port import SubscriptionKey, SubscriptionRow
from chekov_operator.observed import BundleObserved
from chekov_operator.record import record
from chekov_operator.resources import Object
from chekov_operator.status_bundle import summary
from tests.operator.samples import bundle, bundle_body, target

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


def row(name: str, *, version: int = 1, position: int = 40, **more: Any) -> SubscriptionRow:
    values: dict[str, Any] = {"owner": None, "state": "running", "error": None, "parked": 0, **more}
    return SubscriptionRow(
        key=SubscriptionKey("bank", name, version),
        position=position,
        epoch=1,
        updated=datetime(2026, 11, 24, tzinfo=UTC),
        **values,
    )


def seen(rows: list[SubscriptionRow] | None, head: int = 42) -> BundleObserved:
    kept = record(target(), bundle_body()["spec"], RESULT)
    children = {("ConfigMap", str(kept["metadata"]["name"])): kept}
    return BundleObserved(children=children, subscriptions=rows, head=head)


def deployment(**status: Any) -> Object:
    labels = {"chekov.dev/revision": target().revision}
    return {"metadata": {"labels": labels}, "status": status}


def of(around: BundleObserved, live: Object | None = None, *, phase: str = "Ready") -> Object:
    return summary(bundle(), around, live, target(), phase=phase)


def test_pods_are_counted() -> None:
    found = of(seen(None), deployment(replicas=3, readyReplicas=1))
    assert (found["replicas"], found["readyReplicas"], found["ready"]) == (3, 1, "1/2")


def test_without_a_deployment_there_are_no_pods() -> None:
    found = of(seen(None))
    assert (found["replicas"], found["readyReplicas"], found["ready"]) == (0, 0, "0/2")


def test_the_selector_finds_the_pods_of_the_revision_that_serves() -> None:
    found = of(seen(None), deployment())
    assert found["revision"] == target().revision
    parts = dict(part.split("=") for part in found["selector"].split(","))
    assert parts["chekov.dev/bundle"] == "bank"
    assert parts["chekov.dev/revision"] == target().revision


def test_a_bundle_that_never_ran_has_no_revision() -> None:
    found = summary(bundle(), BundleObserved(), None, None, phase="Checking")
    assert found == {"phase": "Checking", "replicas": 0, "readyReplicas": 0, "ready": "0/2"}


def test_the_domains_commands_and_events_are_told_in_order() -> None:
    found = of(seen(None))
    assert found["commands"] == ["Deposit", "OpenAccount"]
    assert found["events"] == ["AccountOpened", "money-deposited"]


def test_lag_is_that_of_the_slowest_and_parked_events_are_summed() -> None:
    rows = [
        row("balances", version=2, position=30, parked=1, owner="bank-1"),
        row("welcome", position=42, parked=2),
    ]
    found = of(seen(rows))
    assert (found["lag"], found["parked"]) == (12, 3)
    assert found["subscriptions"] == [
        {
            "name": "balances",
            "kind": "projection",
            "version": 2,
            "state": "catching-up",
            "position": 30,
            "lag": 12,
            "parked": 1,
            "owner": "bank-1",
        },
        {
            "name": "welcome",
            "kind": "handler",
            "version": 1,
            "state": "waiting",
            "position": 42,
            "lag": 0,
            "parked": 2,
        },
    ]


def test_what_older_code_left_in_the_store_is_not_told() -> None:
    found = of(seen([row("balances", version=1, position=1), row("gone", position=1)]))
    assert (found["subscriptions"], found["lag"]) == ([], 0)


def test_a_subscription_is_never_ahead_of_its_store() -> None:
    found = of(seen([row("welcome", position=50)], head=42))
    assert found["subscriptions"][0]["lag"] == 0


def test_while_nobody_could_look_nothing_is_told_of_subscriptions() -> None:
    found = of(seen(None))
    assert {"subscriptions", "lag", "parked"}.isdisjoint(found)


def test_the_status_is_plain_json() -> None:
    found = of(seen([row("welcome")]), deployment(replicas=2))
    assert json.loads(json.dumps(found)) == found
