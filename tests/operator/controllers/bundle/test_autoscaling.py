"""The number of pods follows the lag of subscriptions: up at once, down after a while."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chekov.store.port import SubscriptionKey, SubscriptionRow
from chekov_operator.controllers.bundle.autoscaling import (
    Minimum,
    Scaling,
    minimum_of,
    next_minimum,
    plan_autoscaling,
    pods_for_lag,
)
from chekov_operator.controllers.bundle.observed import ObservedBundle
from chekov_operator.kube.kinds import AUTOSCALER
from chekov_operator.kube.objects import Object
from tests.operator.samples import bundle

WINDOW = 300.0
NOW = 1_800_000_000.0

looks = st.lists(st.tuples(st.floats(1, 200), st.integers(0, 20)), min_size=1, max_size=60)
"""Seconds until the next look, and how many pods are needed then."""


def row(name: str, position: int, *, partition: int = 0, state: str = "running") -> SubscriptionRow:
    return SubscriptionRow(
        key=SubscriptionKey("bank", name, partition=partition),
        position=position,
        owner=None,
        epoch=1,
        state=state,  # pyright: ignore[reportArgumentType]
        error=None,
        parked=0,
        updated=datetime(2026, 11, 24, tzinfo=UTC),
    )


def partitioned(name: str, position: int, partitions: int) -> list[SubscriptionRow]:
    return [row(name, position, partition=number) for number in range(partitions)]


def test_a_subscription_that_keeps_up_needs_no_pod() -> None:
    assert pods_for_lag([row("mails", 100)], head=100, target_lag=10) == 0


def test_one_that_is_behind_needs_a_pod_for_each_target_as_far_as_it_has_partitions() -> None:
    mails = partitioned("mails", 100, 4)
    needed = [pods_for_lag(mails, head, target_lag=10) for head in (101, 110, 111, 125, 900)]
    assert needed == [1, 1, 2, 3, 4]


def test_each_subscription_needs_its_own() -> None:
    rows = [*partitioned("mails", 0, 4), row("balances", 0), row("totals", 100)]
    assert pods_for_lag(rows, head=100, target_lag=50) == 3


def test_the_partition_that_is_furthest_behind_decides() -> None:
    rows = [row("mails", 100), row("mails", 0, partition=1), row("mails", 100, partition=2)]
    assert pods_for_lag(rows, head=100, target_lag=10) == 3


def test_those_that_no_pod_could_run_need_none() -> None:
    rows = [row("mails", 0, state="paused"), row("balances", 0, state="stopped")]
    assert pods_for_lag(rows, head=100, target_lag=10) == 0


def followed(steps: Sequence[tuple[float, int]]) -> list[tuple[float, int, int]]:
    """The time of each look, how many pods were needed, and the minimum after it."""
    minimum, now, found = Minimum(), NOW, list[tuple[float, int, int]]()
    for pause, needed in steps:
        now += pause
        minimum = next_minimum(minimum, needed, now, WINDOW)
        found.append((now, needed, minimum.pods))
    return found


@given(looks)
def test_what_is_needed_is_there_at_once(steps: list[tuple[float, int]]) -> None:
    assert all(pods >= needed for _, needed, pods in followed(steps))


@given(looks)
def test_there_are_never_more_than_were_once_needed(steps: list[tuple[float, int]]) -> None:
    found = followed(steps)
    for number, (_, _, pods) in enumerate(found):
        assert pods in {0, *(needed for _, needed, _ in found[: number + 1])}


@given(looks)
def test_it_falls_once_in_a_window_at_most(steps: list[tuple[float, int]]) -> None:
    """So that a lag that goes up and down does not move the number with it."""
    found = followed(steps)
    falls = [now for (_, _, before), (now, _, pods) in itertools.pairwise(found) if pods < before]
    assert all(later - earlier >= WINDOW * 0.9 for earlier, later in itertools.pairwise(falls))


@given(looks)
def test_what_was_needed_within_a_window_remains(steps: list[tuple[float, int]]) -> None:
    found = followed(steps)
    for number, (now, _, pods) in enumerate(found):
        recent = [needed for at, needed, _ in found[: number + 1] if now - at < WINDOW * 0.9]
        assert pods >= max(recent)


@given(looks, st.integers(0, 20))
def test_it_comes_to_rest_at_what_is_needed(steps: list[tuple[float, int]], needed: int) -> None:
    """Whatever was before, and it then stays."""
    *_, (_, _, last) = followed([*steps, *[(60.0, needed)] * 12])
    assert last == needed


@given(st.floats(30, 140), st.integers(1, 10), st.integers(11, 20))
def test_a_lag_that_swings_within_the_window_moves_nothing(
    pause: float, low: int, high: int
) -> None:
    found = followed([(pause, high), (pause, low)] * 20)
    assert {pods for _, _, pods in found} == {high}


@given(looks)
def test_a_restart_of_the_operator_changes_nothing(steps: list[tuple[float, int]]) -> None:
    """Since the status holds the minimum, to the second."""
    observed, now = ObservedBundle(subscriptions=[]), NOW
    for pause, needed in steps:
        now += int(pause)
        observed = replace(observed, now=now, head=10 * needed)
        scaling = planned(observed, partitioned("mails", 0, 20))
        expected = next_minimum(minimum_of(observed.status), needed, now, WINDOW)
        assert minimum_of(scaling.status) == (expected if expected.pods else Minimum())
        observed = replace(observed, status=scaling.status)


def planned(observed: ObservedBundle, rows: Sequence[SubscriptionRow] = (), **spec: Any) -> Scaling:
    given = {"maxReplicas": 30, "targetLag": 10, **spec}
    return plan_autoscaling(bundle(autoscaling=given), observed, rows)


def least(scaling: Scaling) -> int:
    [autoscaler] = scaling.apply
    assert scaling.status["autoscaling"]["minReplicas"] == autoscaler["spec"]["minReplicas"]
    return autoscaler["spec"]["minReplicas"]


BEHIND = ObservedBundle(subscriptions=[], head=1000, now=NOW)


def test_the_lag_is_the_minimum_of_the_autoscaler() -> None:
    assert least(planned(BEHIND, partitioned("mails", 0, 6))) == 6


def test_the_bounds_of_the_spec_hold_whatever_the_lag_needs() -> None:
    rows = partitioned("mails", 0, 6)
    assert least(planned(BEHIND, rows, maxReplicas=4)) == 4
    assert least(planned(BEHIND, rows, minReplicas=8)) == 8


def test_an_autoscaler_of_kubernetes_keeps_one_pod_at_least() -> None:
    assert least(planned(BEHIND, minReplicas=0)) == 1


def test_without_a_target_the_lag_does_not_matter() -> None:
    scaling = planned(BEHIND, partitioned("mails", 0, 6), targetLag=None)
    assert least(scaling) == 1
    assert scaling.status == {"autoscaling": {"minReplicas": 1}}


def test_while_the_store_cannot_be_read_the_minimum_stays() -> None:
    before = planned(BEHIND, partitioned("mails", 0, 6))
    unread = ObservedBundle(status=before.status, now=NOW + 10 * WINDOW)
    assert least(planned(unread)) == 6


def test_what_keeps_the_autoscaler_from_its_work_is_reported() -> None:
    conditions = [
        {"type": "AbleToScale", "status": "True", "message": "recommended size matches"},
        {"type": "ScalingActive", "status": "False", "message": "no metrics known for pod"},
    ]
    live: Object = {"status": {"conditions": conditions}}
    observed = replace(BEHIND, children={(AUTOSCALER.name, "bank"): live})
    assert planned(observed).status["autoscaling"]["message"] == "no metrics known for pod"
    conditions[1]["reason"] = "ScalingDisabled"
    assert "message" not in planned(observed).status["autoscaling"]


def test_one_that_is_no_longer_asked_for_is_deleted() -> None:
    there = ObservedBundle(children={(AUTOSCALER.name, "bank"): {}})
    assert plan_autoscaling(bundle(), there, ()).delete == [(AUTOSCALER, "bank")]
    assert plan_autoscaling(bundle(), ObservedBundle(), ()).delete == []


FINE: Object = {"domain": "mails", "subscriptions": [{"name": "mails", "version": 1}]}
HANDLED = [row("mails", 0)]


def scaled(
    *,
    replicas: int = 1,
    waiting: bool | None = False,
    rows: Sequence[SubscriptionRow] = HANDLED,
    complete: bool = True,
    suspend: bool = False,
    **observed: Any,
) -> int | None:
    """How many pods a bundle that may have none is to have."""
    wanted = bundle(
        replicas=replicas,
        suspend=suspend,
        autoscaling={"minReplicas": 0, "maxReplicas": 3, "targetLag": 10},
    )
    found = ObservedBundle(subscriptions=rows, now=NOW, waiting=waiting, **observed)
    return plan_autoscaling(wanted, found, rows, result=FINE, complete=complete).scale_to


def test_a_bundle_that_waits_for_nothing_has_no_pods() -> None:
    assert scaled() == 0
    assert scaled(replicas=3) == 0


def test_events_that_its_handlers_do_not_take_need_no_pod() -> None:
    """Its checkpoint stays behind them, since no pod passes over them."""
    assert scaled(replicas=0, head=10_000) is None


def test_the_first_event_that_it_takes_brings_a_pod() -> None:
    assert scaled(replicas=0, waiting=True) == 1
    assert scaled(waiting=True) is None


def test_pods_stay_for_a_while_after_the_last_event() -> None:
    before = plan_autoscaling(
        bundle(autoscaling={"minReplicas": 0, "maxReplicas": 3, "targetLag": 10}),
        ObservedBundle(subscriptions=HANDLED, now=NOW, waiting=True),
        HANDLED,
    )
    kept: Any = {"status": before.status}
    assert scaled(**kept) is None
    later = ObservedBundle(now=NOW + WINDOW + 1, status=before.status)
    assert minimum_of(planned(replace(later, subscriptions=[], waiting=False)).status).pods == 0


def test_a_pod_stays_while_events_are_parked() -> None:
    """So that they are handled again when somebody asks for it."""
    assert scaled(rows=[replace(HANDLED[0], parked=1)]) is None


def test_a_new_revision_has_a_pod_until_it_was_rolled_out() -> None:
    assert scaled(complete=False) is None
    assert scaled(replicas=0, complete=False) == 1
    assert scaled(rows=[row("former", 0)]) is None


def test_nothing_is_scaled_while_the_store_cannot_be_read_or_others_scale() -> None:
    assert scaled(waiting=None) is None
    assert scaled(replicas=0, waiting=None) is None
    assert scaled(suspend=True) is scaled(replicas=0, waiting=True, suspend=True) is None
    assert plan_autoscaling(bundle(), replace(BEHIND, waiting=None), HANDLED).scale_to is None
