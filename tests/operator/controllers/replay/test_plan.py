"""The planner of Replays."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from chekov_operator.api.fault import Fault
from chekov_operator.api.replay import Replay, parse_replay
from chekov_operator.api.subscription import Subscription, parse_subscription
from chekov_operator.controllers.plan import Plan
from chekov_operator.controllers.replay.observed import ObservedReplay
from chekov_operator.controllers.replay.plan import plan_replay, refusal
from chekov_operator.kube.objects import Object
from tests.operator.rows import generation, row
from tests.operator.samples import replay_body, subscription_body

BEGUN = "2026-11-24T10:00:00Z"
NOW = datetime.fromisoformat(BEGUN).timestamp() + 30
UID = "retry-uid"
ORIGIN: Object = {"from": "origin"}


def replay(**spec: Any) -> Replay:
    return parse_replay(replay_body(**spec))


def target(**spec: Any) -> Subscription:
    return parse_subscription(subscription_body(**spec))


def seen(**given: Any) -> ObservedReplay:
    return replace(ObservedReplay(target=target(), now=NOW), **given)


def begun(**given: Any) -> ObservedReplay:
    status = {"startedAt": BEGUN, "phase": "Running", **given.pop("status", {})}
    return seen(status=status, **given)


def ended(plan: Plan) -> tuple[str, str, str]:
    """Phase, and the reason and message of the condition that is true."""
    [item] = [item for item in plan.conditions if item.status == "True"]
    assert item.type == plan.status["phase"]
    return item.type, item.reason, item.message


@pytest.mark.parametrize(
    ("spec", "given", "reason"),
    [
        (ORIGIN, {"target": target(kind="process")}, "NotReplayable"),
        ({**ORIGIN, "mode": "InPlace"}, {"target": target(kind="process")}, "NotReplayable"),
        (ORIGIN, {"target": target(kind="handler")}, "NotReplayable"),
    ],
)
def test_what_cannot_be_done_fails_with_its_reason(
    spec: Object, given: Object, reason: str
) -> None:
    plan = plan_replay(replay(**spec), seen(**given))
    assert ended(plan)[:2] == ("Failed", reason)
    assert plan.status["finishedAt"] == "2026-11-24T10:00:30Z"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"target": None}, "SubscriptionNotFound"),
        ({"bundle_fault": "it rolls out"}, "BundleNotReady"),
        ({"others": ["other"]}, "ReplayRunning"),
    ],
)
def test_what_may_come_is_waited_for(given: Object, reason: str) -> None:
    plan = plan_replay(replay(**ORIGIN), seen(**given))
    assert plan.status == {"phase": "Pending"}
    assert [(item.status, item.reason) for item in plan.conditions if item.type == "Complete"] == [
        ("False", reason)
    ]
    assert plan.requeue_after


def test_a_subscription_that_is_gone_for_a_moment_ends_nothing() -> None:
    plan = plan_replay(replay(**ORIGIN), begun(target=None))
    assert plan.status["phase"] == "Running"
    assert plan.requeue_after


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        (ORIGIN, {}),
        ({**ORIGIN, "mode": "InPlace"}, {"target": target(kind="handler")}),
        ({"retry": {"all": True}}, {"bundle_fault": "it rolls out"}),
        ({"discard": {"all": True, "reason": "x"}}, {"target": target(kind="process")}),
    ],
)
def test_what_can_be_done_begins(spec: Object, given: Object) -> None:
    assert refusal(replay(**spec), seen(**given)) is None


def test_what_the_store_refuses_fails() -> None:
    plan = plan_replay(replay(**ORIGIN), seen(refused=Fault("Refused", "generation 2 is built")))
    assert ended(plan) == ("Failed", "Refused", "generation 2 is built")


def test_a_store_that_is_away_is_waited_for() -> None:
    away = Fault("StoreUnreachable", "Postgres does not answer")
    plan = plan_replay(replay(**ORIGIN), seen(unreachable=away))
    assert plan.status == {"phase": "Pending"}
    assert [item.reason for item in plan.conditions] == ["StoreUnreachable", "AsExpected"]
    assert plan.requeue_after is not None
    later = plan_replay(replay(**ORIGIN), begun(unreachable=away))
    assert later.status == {"phase": "Running", "startedAt": BEGUN}


def test_what_was_said_holds_until_the_store_is_read() -> None:
    plan = plan_replay(replay(**ORIGIN), begun(is_read=False, status={"target": 100}))
    assert plan.keep_status
    assert not plan.conditions
    assert plan.requeue_after is not None


def test_what_has_begun_is_not_shown_by_the_store_at_once() -> None:
    plan = plan_replay(replay(**ORIGIN), seen(done={}))
    assert plan.status == {"phase": "Running", "startedAt": "2026-11-24T10:00:30Z"}
    assert plan.read_store_soon


def test_a_build_is_followed_until_it_serves() -> None:
    built = generation(replay=UID, target=100, position=41)
    plan = plan_replay(replay(**ORIGIN), begun(generations=[generation(1), built]))
    assert plan.status == {
        "phase": "Running",
        "startedAt": BEGUN,
        "start": 0,
        "position": 41,
        "target": 100,
        "percent": 41,
        "secondsLeft": 12,
    }
    serves = replace(built, state="serving", position=100)
    plan = plan_replay(replay(**ORIGIN), begun(generations=[serves], status=plan.status))
    assert ended(plan) == ("Complete", "Replayed", "generation 2 serves")
    assert plan.status["percent"] == 100
    assert "secondsLeft" not in plan.status


def test_a_build_that_was_dropped_is_cancelled() -> None:
    plan = plan_replay(replay(**ORIGIN), begun(generations=[generation(1)], status={"target": 9}))
    assert ended(plan)[:2] == ("Failed", "Cancelled")


def test_a_handler_is_followed_until_it_is_where_it_was() -> None:
    spec = replay(**ORIGIN, mode="InPlace")
    rows = [
        row(position=30, registered=100, replay=UID),
        row(partition=1, position=99, registered=100, replay=UID),
    ]
    observed = begun(target=target(kind="handler"), rows=rows, status={"start": 0})
    plan = plan_replay(spec, observed)
    figures = [plan.status[name] for name in ("position", "target", "percent", "secondsLeft")]
    assert figures == [30, 100, 30, 70]
    there = [replace(item, position=100) for item in rows]
    assert ended(plan_replay(spec, replace(observed, rows=there)))[:2] == ("Complete", "Replayed")


def test_a_handler_that_began_again_for_another_reason_is_superseded() -> None:
    spec = replay(**ORIGIN, mode="InPlace")
    observed = begun(
        target=target(kind="handler"), rows=[row(replay="another")], status={"target": 9}
    )
    assert ended(plan_replay(spec, observed))[:2] == ("Failed", "Superseded")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "stopped", "error": "E: no"}, "the subscription is stopped: E: no"),
        ({"state": "paused"}, "the subscription is paused: resume it"),
        ({"owner": None}, "no pod owns the subscription"),
        ({}, "the events are handled again"),
    ],
)
def test_what_stands_against_it_is_said(changes: Object, words: str) -> None:
    rows = [row(replay=UID, position=1, registered=9, **changes)]
    observed = begun(target=target(kind="handler"), rows=rows, status={"start": 0})
    plan = plan_replay(replay(**ORIGIN, mode="InPlace"), observed)
    assert [item.message for item in plan.conditions if item.type == "Complete"] == [words]


def test_retried_events_are_counted() -> None:
    spec = replay(retry={"all": True})
    first = seen(done={"counts": {"retried": 5}}, still_parked={"retrying": 4, "failed": 1})
    plan = plan_replay(spec, first)
    assert plan.status["phase"] == "Running"
    assert plan.status["counts"] == {"retried": 5, "handled": 0, "failedAgain": 1}
    plan = plan_replay(spec, begun(status=plan.status, still_parked={"failed": 2}))
    assert ended(plan) == ("Complete", "Retried", "5 events are tried again, and 2 failed again")
    assert plan.status["counts"] == {"retried": 5, "handled": 3, "failedAgain": 2}
    plan = plan_replay(spec, begun(status={"counts": {"retried": 1}}, still_parked={}))
    assert ended(plan) == ("Complete", "Retried", "1 event is handled")


def test_discarded_events_are_counted_at_once() -> None:
    spec = replay(discard={"all": True, "reason": "x"})
    plan = plan_replay(spec, seen(done={"counts": {"discarded": 3}}))
    assert ended(plan) == ("Complete", "Discarded", "3 events are given up")
    assert plan.status["counts"] == {"discarded": 3}


def test_what_is_finished_stays_as_it_is() -> None:
    status = {"phase": "Complete", "finishedAt": BEGUN}
    plan = plan_replay(replay(**ORIGIN), seen(status=status))
    assert (plan.keep_status, plan.conditions, plan.requeue_after) == (True, (), None)


def test_what_is_finished_is_deleted_in_time() -> None:
    status = {"phase": "Failed", "finishedAt": BEGUN}
    plan = plan_replay(replay(**ORIGIN, ttlSecondsAfterFinished=40), seen(status=status))
    assert (plan.delete, plan.requeue_after) == ((), 10)
    plan = plan_replay(replay(**ORIGIN, ttlSecondsAfterFinished=30), seen(status=status))
    assert [(kind.name, name) for kind, name in plan.delete] == [("Replay", "retry")]
