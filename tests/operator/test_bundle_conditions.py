"""What a bundle says of itself in every situation, in conditions and in one word."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chekov.store.port import SubscriptionKey, SubscriptionRow
from chekov_operator.bundle_conditions import Situation, conditions, phase
from chekov_operator.conditions import Condition, false, true, unknown
from chekov_operator.observed import BundleObserved, Fault
from chekov_operator.rollout import Rollout
from chekov_operator.verdict import Verdict
from tests.operator.samples import bundle, target

REVISION = target().revision
BROKEN = Fault("ImportFailed", "importing bank failed: no module ledger")
PASSED = Verdict(true("Checked", "Passed"), target(), {"ok": True})
CHECKING = Verdict(unknown("Checked", "Checking", "it is being checked"), target())
REFUSED = Verdict(false("Checked", BROKEN.reason, BROKEN.message), target(), fault=BROKEN)
DONE = Rollout(done=True, complete=True, ready=2)
STARTED = Rollout(done=False, complete=False, ready=1)
WEAK = Rollout(done=False, complete=True, ready=1)
CRASHING = Rollout(
    done=False, complete=False, ready=1, fault=Fault("CrashLoopBackOff", "pod bank-1 ends")
)
TOO_LATE = Rollout(
    done=False, complete=False, ready=1, fault=Fault("RolloutTimedOut", "not ready in time")
)


def row(name: str, *, state: Any = "running", parked: int = 0, error: str = "") -> SubscriptionRow:
    return SubscriptionRow(
        key=SubscriptionKey("bank", name),
        position=1,
        owner=None,
        epoch=1,
        state=state,
        error=error or None,
        parked=parked,
        updated=datetime(2026, 11, 24, tzinfo=UTC),
    )


def situation(
    verdict: Verdict = PASSED,
    rollout: Rollout = DONE,
    *,
    store_fault: str | None = None,
    serving: str | None = REVISION,
    rows: list[SubscriptionRow] | None = None,
    replicas: int = 2,
) -> Situation:
    return Situation(
        bundle=bundle(replicas=replicas),
        seen=BundleObserved(subscriptions=rows),
        verdict=verdict,
        store_fault=store_fault,
        serving=serving,
        rollout=rollout,
    )


def told(now: Situation) -> dict[str, Condition]:
    return {item.type: item for item in conditions(now)}


@pytest.mark.parametrize(
    ("now", "word", "ready", "progressing", "degraded"),
    [
        (
            situation(),
            "Ready",
            ("True", "Serving"),
            ("False", "Complete"),
            ("False", "AsExpected"),
        ),
        (
            situation(replicas=0, rollout=Rollout(done=True, complete=True, ready=0)),
            "Stopped",
            ("True", "Stopped"),
            ("False", "Complete"),
            ("False", "AsExpected"),
        ),
        (
            situation(CHECKING, STARTED),
            "Checking",
            ("False", "Checking"),
            ("True", "Checking"),
            ("False", "AsExpected"),
        ),
        (
            situation(REFUSED, DONE, serving="older"),
            "Refused",
            ("False", "ImportFailed"),
            ("False", "ImportFailed"),
            ("True", "ImportFailed"),
        ),
        (
            situation(rollout=STARTED, store_fault="EventStore 'main' is not ready"),
            "Waiting",
            ("False", "EventStoreNotReady"),
            ("True", "EventStoreNotReady"),
            ("False", "AsExpected"),
        ),
        (
            situation(rollout=STARTED),
            "RollingOut",
            ("False", "RollingOut"),
            ("True", "RollingOut"),
            ("False", "AsExpected"),
        ),
        (
            situation(rollout=CRASHING),
            "Degraded",
            ("False", "CrashLoopBackOff"),
            ("True", "RollingOut"),
            ("True", "CrashLoopBackOff"),
        ),
        (
            situation(rollout=TOO_LATE),
            "Degraded",
            ("False", "RolloutTimedOut"),
            ("False", "RolloutTimedOut"),
            ("True", "RolloutTimedOut"),
        ),
        (
            situation(rollout=WEAK),
            "Degraded",
            ("False", "PodsNotReady"),
            ("True", "PodsNotReady"),
            ("True", "PodsNotReady"),
        ),
    ],
    ids=[
        "serving",
        "stopped",
        "being checked",
        "refused",
        "store is away",
        "rolling out",
        "crashing",
        "too late",
        "a pod is not ready",
    ],
)
def test_each_situation_has_its_words(
    now: Situation,
    word: str,
    ready: tuple[str, str],
    progressing: tuple[str, str],
    degraded: tuple[str, str],
) -> None:
    found = told(now)
    assert phase(now) == word
    assert {name: (item.status, item.reason) for name, item in found.items()} == {
        "Ready": ready,
        "Progressing": progressing,
        "Degraded": degraded,
        "Checked": (now.verdict.checked.status, now.verdict.checked.reason),
    }


def test_a_refused_revision_says_what_to_change_and_what_still_serves() -> None:
    message = told(situation(REFUSED, serving="older"))["Ready"].message
    assert "no module ledger" in message
    assert "Revision older goes on serving" in message


def test_a_refused_first_revision_does_not_speak_of_another() -> None:
    assert "goes on serving" not in told(situation(REFUSED, serving=None))["Ready"].message


def test_readiness_counts_pods() -> None:
    assert "2 of 2 pods" in told(situation())["Ready"].message
    assert REVISION in told(situation())["Ready"].message


def test_a_stopped_subscription_degrades_a_bundle_that_serves() -> None:
    found = told(situation(rows=[row("balances", state="stopped", error="no such table")]))
    assert (found["Ready"].status, found["Degraded"].reason) == ("True", "SubscriptionStopped")
    assert "balances: no such table" in found["Degraded"].message


def test_parked_events_degrade_a_bundle_that_serves() -> None:
    found = told(situation(rows=[row("balances", parked=3), row("welcome")]))
    assert (found["Ready"].status, found["Degraded"].reason) == ("True", "EventsParked")
    assert found["Degraded"].message.startswith("3 events")
    assert "welcome" not in found["Degraded"].message


def test_subscriptions_that_run_degrade_nothing() -> None:
    assert told(situation(rows=[row("balances"), row("welcome")]))["Degraded"].status == "False"
