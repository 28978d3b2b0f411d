"""What a bundle says of itself in every situation, in conditions and in one word."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from chekov.store.port import SubscriptionKey, SubscriptionRow
from chekov_operator.api.conditions import Condition, false, true, unknown
from chekov_operator.api.fault import Fault
from chekov_operator.controllers.bundle.check import Check
from chekov_operator.controllers.bundle.conditions import BundleState, conditions, phase
from chekov_operator.controllers.bundle.gate import TYPE, Gate
from chekov_operator.controllers.bundle.rollout import Rollout
from chekov_operator.controllers.bundle.rollout_state import (
    RolloutState,
)
from tests.operator.samples import bundle, target

REVISION = target().name
BROKEN = Fault("ImportFailed", "importing bank failed: no module ledger")
PASSED = Check(true("Checked", "Passed"), target(), {"ok": True})
CHECKING = Check(unknown("Checked", "Checking", "it is being checked"), target())
REFUSED = Check(false("Checked", BROKEN.reason, BROKEN.message), target(), fault=BROKEN)
DONE = Rollout(done=True, complete=True, ready=2)
STARTED = Rollout(done=False, complete=False, ready=1)
WEAK = Rollout(done=False, complete=True, ready=1)
CRASHING = Rollout(
    done=False, complete=False, ready=1, fault=Fault("CrashLoopBackOff", "pod bank-1 ends")
)
STATE = RolloutState(
    to=REVISION, origin="older", attempt="x", replicas=2, since=0.0, progressed=0.0
)
TOO_LATE = replace(STATE, fault=Fault("RolloutTimedOut", "it was not ready in time"))
UNDONE = Fault("Undone", "the annotation says so")

SILENT = Fault("GateCannotRun", "the gate gave no answer: the database is away")
RETRIED = "it is tried again 60 s after it ended"
OPEN = Gate(true("SchemaCompatible", "Readable"), passed=True)


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


def state_of(
    check: Check = PASSED,
    rollout: Rollout = DONE,
    *,
    gate: Gate = OPEN,
    store_fault: str | None = None,
    serving: str | None = REVISION,
    rows: list[SubscriptionRow] | None = None,
    replicas: int = 2,
    suspended: bool = False,
    state: RolloutState | None = None,
) -> BundleState:
    return BundleState(
        bundle=bundle(replicas=replicas, suspend=suspended),
        subscriptions=rows or (),
        check=check,
        gate=gate,
        store_fault=store_fault,
        serving=serving,
        rollout=rollout,
        state=state,
    )


def by_type(now: BundleState) -> dict[str, Condition]:
    return {item.type: item for item in conditions(now)}


@pytest.mark.parametrize(
    ("now", "word", "ready", "progressing", "degraded"),
    [
        (
            state_of(),
            "Ready",
            ("True", "Serving"),
            ("False", "Complete"),
            ("False", "AsExpected"),
        ),
        (
            state_of(replicas=0, rollout=Rollout(done=True, complete=True, ready=0)),
            "Stopped",
            ("True", "Stopped"),
            ("False", "Complete"),
            ("False", "AsExpected"),
        ),
        (
            state_of(CHECKING, STARTED),
            "Checking",
            ("False", "Checking"),
            ("True", "Checking"),
            ("False", "AsExpected"),
        ),
        (
            state_of(REFUSED, DONE, serving="older"),
            "Refused",
            ("False", "ImportFailed"),
            ("False", "ImportFailed"),
            ("True", "ImportFailed"),
        ),
        (
            state_of(rollout=STARTED, store_fault="EventStore 'main' is not ready"),
            "Waiting",
            ("False", "EventStoreNotReady"),
            ("True", "EventStoreNotReady"),
            ("False", "AsExpected"),
        ),
        (
            state_of(rollout=STARTED),
            "RollingOut",
            ("False", "RollingOut"),
            ("True", "RollingOut"),
            ("False", "AsExpected"),
        ),
        (
            state_of(rollout=CRASHING),
            "Degraded",
            ("False", "CrashLoopBackOff"),
            ("True", "RollingOut"),
            ("True", "CrashLoopBackOff"),
        ),
        (
            state_of(rollout=STARTED, state=TOO_LATE),
            "Degraded",
            ("False", "RolloutTimedOut"),
            ("False", "RolloutTimedOut"),
            ("True", "RolloutTimedOut"),
        ),
        (
            state_of(rollout=STARTED, state=replace(TOO_LATE, state="Returning")),
            "Returning",
            ("False", "RolloutTimedOut"),
            ("True", "RolloutTimedOut"),
            ("True", "RolloutTimedOut"),
        ),
        (
            state_of(rollout=STARTED, state=replace(TOO_LATE, state="Returned")),
            "Returned",
            ("False", "RolloutTimedOut"),
            ("False", "RolloutTimedOut"),
            ("True", "RolloutTimedOut"),
        ),
        (
            state_of(rollout=STARTED, state=replace(STATE, state="Returned", fault=UNDONE)),
            "Returned",
            ("False", "Undone"),
            ("False", "Undone"),
            ("False", "AsExpected"),
        ),
        (
            state_of(suspended=True, rollout=Rollout(done=True, complete=True, ready=0)),
            "Suspended",
            ("True", "Suspended"),
            ("False", "Complete"),
            ("False", "AsExpected"),
        ),
        (
            state_of(rollout=WEAK),
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
        "going back",
        "gone back",
        "undone",
        "suspended",
        "a pod is not ready",
    ],
)
def test_each_situation_has_its_words(
    now: BundleState,
    word: str,
    ready: tuple[str, str],
    progressing: tuple[str, str],
    degraded: tuple[str, str],
) -> None:
    found = by_type(now)
    assert phase(now) == word
    stalled = found.pop("Stalled", None)
    has_ended = now.state is not None and now.state.state != "Returning"
    assert (stalled is not None) is has_ended
    assert stalled is None or stalled.reason == ready[1]
    assert {name: (item.status, item.reason) for name, item in found.items()} == {
        "Ready": ready,
        "Progressing": progressing,
        "Degraded": degraded,
        "Checked": (now.check.condition.status, now.check.condition.reason),
        "SchemaCompatible": ("True", "Readable"),
    }


@pytest.mark.parametrize(
    ("check", "gate", "message"),
    [
        (REFUSED, OPEN, "waiting for a change"),
        (replace(REFUSED, is_retried=True), OPEN, RETRIED),
        (PASSED, Gate(unknown(TYPE, SILENT.reason), fault=SILENT), "waiting for a change"),
        (PASSED, Gate(unknown(TYPE, SILENT.reason), fault=SILENT, is_retried=True), RETRIED),
    ],
    ids=["a check", "one without a result", "a gate that cannot start", "one without an answer"],
)
def test_a_refused_revision_says_whether_it_is_tried_again_by_itself(
    check: Check, gate: Gate, message: str
) -> None:
    assert by_type(state_of(check, gate=gate))["Progressing"].message == message


def test_a_refused_revision_says_what_to_change_and_what_still_serves() -> None:
    message = by_type(state_of(REFUSED, serving="older"))["Ready"].message
    assert "no module ledger" in message
    assert "Revision older continues to serve" in message


def test_a_refused_first_revision_does_not_speak_of_another() -> None:
    assert "continues to serve" not in by_type(state_of(REFUSED, serving=None))["Ready"].message


@pytest.mark.parametrize("rollout", [STARTED, CRASHING])
def test_a_rollout_that_is_stuck_says_which_revision_serves(rollout: Rollout) -> None:
    now = state_of(rollout=replace(rollout, ready=0, others=["older"]))
    for kind in ("Ready", "Degraded"):
        found = by_type(now)[kind]
        if found.reason != "AsExpected":
            assert "Revision older continues to serve" in found.message
    assert (
        "continue to serve"
        in by_type(state_of(rollout=replace(rollout, others=["one", "two"])))["Ready"].message
    )


def test_the_cause_of_a_rollout_is_told() -> None:
    now = replace(state_of(rollout=STARTED), cause="the Secret 'postgres' changed")
    assert "because the Secret 'postgres' changed; 1 of 2 pods" in by_type(now)["Ready"].message


def test_readiness_counts_pods() -> None:
    assert "2 of 2 pods" in by_type(state_of())["Ready"].message
    assert REVISION in by_type(state_of())["Ready"].message


def test_a_stopped_subscription_degrades_a_bundle_that_serves() -> None:
    found = by_type(state_of(rows=[row("balances", state="stopped", error="no such table")]))
    assert (found["Ready"].status, found["Degraded"].reason) == ("True", "SubscriptionStopped")
    assert "balances: no such table" in found["Degraded"].message


def test_parked_events_degrade_a_bundle_that_serves() -> None:
    found = by_type(state_of(rows=[row("balances", parked=3), row("welcome")]))
    assert (found["Ready"].status, found["Degraded"].reason) == ("True", "EventsParked")
    assert found["Degraded"].message.startswith("3 events")
    assert "welcome" not in found["Degraded"].message


def test_subscriptions_that_run_degrade_nothing() -> None:
    assert by_type(state_of(rows=[row("balances"), row("welcome")]))["Degraded"].status == "False"


def test_a_rollout_that_waits_for_connections_says_so_and_that_it_goes_on_by_itself() -> None:
    waiting = replace(STATE, fault=Fault("Connections", "the next pod needs 15, and 7 are left"))
    now = state_of(rollout=replace(STARTED, others=["older"]), state=waiting)
    found = by_type(now)
    assert phase(now) == "Stalled"
    assert (found["Stalled"].status, found["Stalled"].reason) == ("True", "Connections")
    assert (found["Ready"].status, found["Ready"].reason) == ("False", "Connections")
    assert "Revision older continues to serve" in found["Ready"].message
    assert found["Degraded"].reason == "Connections"
    assert found["Progressing"].status == "False"
    assert found["Progressing"].message == "waiting for database connections"
