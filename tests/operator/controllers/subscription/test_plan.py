"""The planner of Subscriptions."""

from collections.abc import Mapping
from typing import Any

import pytest

from chekov.store.postgres.inspect import Progress
from chekov_operator.api.fault import Fault
from chekov_operator.api.subscription import parse_subscription
from chekov_operator.controllers.plan import Plan
from chekov_operator.controllers.subscription.observed import ObservedSubscription, observed_in
from chekov_operator.controllers.subscription.plan import plan_subscription, wanted_change
from chekov_operator.controllers.subscription.progress import is_mere_progress
from chekov_operator.kube.objects import Object
from chekov_operator.stores.poller import Reading
from tests.operator.rows import generation, row
from tests.operator.samples import subscription_body

OWN = "Subscription shops/bank-balances (DomainBundle bundle-uid)"
RENAMED = "Subscription shops/bank-balances-0a1b2c (DomainBundle bundle-uid)"
REMADE = "Subscription shops/bank-balances (DomainBundle former-uid)"


def seen(
    *rows: Any, generations: Any = (), status: Mapping[str, object] | None = None, **spec: Any
) -> tuple[Any, ObservedSubscription]:
    """A wanted Subscription, and what the store holds of it."""
    wanted = parse_subscription(subscription_body(**spec))
    reading = Reading("db.example:5432", progress=Progress(rows, 12, generations=generations))
    return wanted, observed_in(reading, wanted, status or {})


def planned(*rows: Any, **given: Any) -> Plan:
    return plan_subscription(*seen(*rows, **given))


def said(plan: Plan) -> Mapping[str, tuple[str, str]]:
    return {item.type: (item.status, item.reason) for item in plan.conditions}


def test_what_runs_is_ready() -> None:
    plan = planned(row(), row(partition=1, position=12, owner="bank-2/3c"))
    assert said(plan) == {
        "Ready": ("True", "CatchingUp"),
        "Degraded": ("False", "AsExpected"),
        "Suspended": ("False", "NotSuspended"),
    }
    status = plan.status
    shown = [status[name] for name in ("state", "position", "head", "lag", "owners")]
    assert shown == ["catching-up", 10, 12, 2, "2/2"]
    assert [item["owner"] for item in status["partitions"]] == ["bank-1", "bank-2"]
    assert said(planned(row(position=12)))["Ready"] == ("True", "Running")


def test_subscriptions_of_others_do_not_count() -> None:
    plan = planned(row(name="mails"), row(version=2))
    assert plan.status["state"] == "absent"
    assert said(plan)["Ready"] == ("False", "NotInStore")


def test_what_stopped_says_how_it_goes_on() -> None:
    plan = planned(row(state="stopped", owner=None, error="E: no"), row(partition=1))
    assert said(plan)["Ready"] == ("False", "SubscriptionStopped")
    assert said(plan)["Degraded"] == ("True", "SubscriptionStopped")
    [ready] = [item for item in plan.conditions if item.type == "Ready"]
    assert ready.message.startswith("it stopped after position 10: E: no. ")
    assert "spec.resumeNonce" in ready.message
    assert (plan.status["state"], plan.status["error"]) == ("stopped", "E: no")


def test_parked_events_degrade_what_runs() -> None:
    plan = planned(row(position=12, parked=2, parked_keys=1))
    assert said(plan)["Ready"] == ("True", "Running")
    assert said(plan)["Degraded"] == ("True", "EventsParked")
    assert (plan.status["parked"], plan.status["parkedKeys"]) == (2, 1)


def test_what_nobody_owns_is_not_ready() -> None:
    plan = planned(row(), row(partition=1, owner=None))
    assert said(plan)["Ready"] == ("False", "NoOwner")
    assert (plan.status["state"], plan.status["owners"]) == ("waiting", "1/2")


def test_tables_that_are_built_beside_are_shown() -> None:
    rows = row(position=12), row(generation=2, building=True, position=4)
    plan = planned(*rows, generations=[generation()])
    assert said(plan)["Ready"] == ("True", "Running")
    assert len(plan.status["partitions"]) == 1
    assert plan.status["rebuild"]["percent"] == 40


@pytest.mark.parametrize(
    ("spec", "changes", "status", "change"),
    [
        ({}, {}, {}, None),
        ({"suspend": True}, {}, {}, "pause"),
        ({"suspend": True}, {"state": "stopped"}, {}, "pause"),
        ({"suspend": True}, {"state": "paused", "paused_by": OWN}, {}, None),
        ({"suspend": True}, {"state": "paused", "paused_by": "Ada"}, {}, None),
        ({}, {"state": "paused", "paused_by": OWN}, {}, "resume"),
        ({}, {"state": "paused", "paused_by": "Ada"}, {}, None),
        ({}, {"state": "paused", "paused_by": RENAMED}, {}, None),
        ({"resumeNonce": "1"}, {"state": "paused", "paused_by": RENAMED}, {}, "resume"),
        ({}, {"state": "paused", "paused_by": REMADE}, {}, None),
        ({}, {"state": "stopped"}, {}, None),
        ({"resumeNonce": "2"}, {"state": "stopped"}, {"resumedNonce": "1"}, "resume"),
        ({"resumeNonce": "2"}, {"state": "stopped"}, {"resumedNonce": "2"}, None),
        ({"resumeNonce": "2"}, {"state": "paused", "paused_by": "Ada"}, {}, "resume"),
        ({"resumeNonce": "2"}, {}, {}, None),
        ({"resumeNonce": "2", "suspend": True}, {"state": "stopped"}, {}, "pause"),
    ],
)
def test_the_store_is_changed_to_what_the_spec_says(
    spec: Object, changes: Object, status: Object, change: str | None
) -> None:
    assert wanted_change(*seen(row(**changes), status=status, **spec)) == change


def test_all_versions_are_suspended() -> None:
    own = {"state": "paused", "paused_by": OWN}
    assert wanted_change(*seen(row(**own), row(version=2), suspend=True)) == "pause"


def test_nothing_is_changed_in_a_store_that_has_no_row() -> None:
    assert wanted_change(*seen(suspend=True, resumeNonce="2")) is None


@pytest.mark.parametrize(
    ("paused_by", "suspend", "reason", "ready"),
    [
        (OWN, True, "SuspendedBySpec", "Suspended"),
        (OWN, False, "SuspendedBySpec", "Suspended"),
        ("Ada", False, "PausedElsewhere", "Paused"),
        ("Ada", True, "PausedElsewhere", "Paused"),
        ("", False, "PausedElsewhere", "Paused"),
        (RENAMED, False, "PausedElsewhere", "Paused"),
        (REMADE, False, "PausedElsewhere", "Paused"),
    ],
)
def test_who_paused_it_is_said(paused_by: str, reason: str, ready: str, *, suspend: bool) -> None:
    plan = planned(row(state="paused", owner=None, paused_by=paused_by), suspend=suspend)
    assert said(plan)["Suspended"] == ("True", reason)
    assert said(plan)["Ready"] == ("False", ready)
    assert plan.status["pausedBy"] == paused_by


def test_a_nonce_is_carried_out_once() -> None:
    stopped = row(state="stopped")
    wanted, observed = seen(stopped, status={"resumedNonce": "1"}, resumeNonce="2")
    assert plan_subscription(wanted, observed).status["resumedNonce"] == "1"
    after = ObservedSubscription(
        every=observed.every, rows=observed.rows, head=12, carried_out="resume"
    )
    assert plan_subscription(wanted, after).status["resumedNonce"] == "2"
    assert planned(row(), resumeNonce="2").status["resumedNonce"] == "2"


def test_a_store_that_cannot_be_read_leaves_what_was_known() -> None:
    wanted = parse_subscription(subscription_body())
    status: Object = {"state": "live", "position": 9, "conditions": [], "observedGeneration": 1}
    reading = Reading("db.example", unreachable=Fault("Unreachable", "no answer"))
    plan = plan_subscription(wanted, observed_in(reading, wanted, status))
    assert plan.status == {"state": "live", "position": 9}
    assert set(said(plan).values()) == {("Unknown", "StoreUnreachable")}


def test_a_store_that_was_not_read_yet_changes_nothing() -> None:
    wanted = parse_subscription(subscription_body())
    assert plan_subscription(wanted, observed_in(None, wanted, {})).keep_status


def test_only_numbers_that_moved_are_mere_progress() -> None:
    before = planned(row(position=5, parked=1))
    status: Object = {
        **before.status,
        "observedGeneration": 2,
        "conditions": [
            {
                "type": item.type,
                "status": item.status,
                "reason": item.reason,
                "message": item.message,
                "lastTransitionTime": "2026-11-24T10:00:00Z",
            }
            for item in before.conditions
        ],
    }
    assert is_mere_progress(status, planned(row(position=6, parked=1)))
    assert not is_mere_progress(status, before)
    assert not is_mere_progress(status, planned(row(position=12, parked=1)))
    assert not is_mere_progress(status, planned(row(position=6, parked=1, owner="bank-2/1")))
    assert is_mere_progress(status, planned(row(position=6, parked=7)))
    assert not is_mere_progress(status, planned(row(position=6, parked=0)))
    assert not is_mere_progress({}, before)
