"""What statuses show of the rows of subscriptions."""

import pytest

from chekov_operator.controllers.subscription_rows import (
    fault_of_rows,
    rebuild_status,
    row_status,
    rows_of,
    state_of,
)
from tests.operator.rows import generation, row


def test_the_rows_are_those_of_the_version_that_serves() -> None:
    rows = [row(), row(version=2), row(name="mails"), row(partition=1)]
    found = rows_of(rows, "balances", 1)
    assert [item.key.partition for item in found] == [0, 1]


def test_the_generation_that_serves_counts_and_else_the_one_that_is_built() -> None:
    serving, building = row(), row(generation=2, building=True)
    assert rows_of([serving, building], "balances", 1) == [serving]
    assert rows_of([building], "balances", 1) == [building]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "live"),
        ({"position": 9}, "catching-up"),
        ({"owner": None}, "waiting"),
        ({"state": "paused", "owner": None}, "paused"),
        ({"state": "stopped", "owner": None}, "stopped"),
    ],
)
def test_the_state_is_one_word(changes: dict[str, object], state: str) -> None:
    assert state_of(row(**changes), 10) == state


def test_a_partition_is_shown_with_its_pod() -> None:
    shown = row_status(row(position=7, parked=3, parked_keys=2), 10)
    assert shown == {
        "partition": 0,
        "state": "catching-up",
        "position": 7,
        "lag": 3,
        "parked": 3,
        "parkedKeys": 2,
        "owner": "bank-1",
    }
    assert "owner" not in row_status(row(owner=None), 10)


def test_what_stopped_comes_before_what_is_parked() -> None:
    stopped = row(state="stopped", error="E: no", parked=2)
    fault = fault_of_rows([stopped])
    assert fault is not None
    assert (fault.reason, fault.message) == (
        "SubscriptionStopped",
        "stopped subscriptions: balances: E: no",
    )
    parked = fault_of_rows([row(parked=2), row(partition=1, parked=1)])
    assert parked is not None
    assert (parked.reason, parked.message) == (
        "EventsParked",
        "3 events are parked by balances",
    )
    assert fault_of_rows([row()]) is None


def test_a_build_is_shown_with_what_is_left() -> None:
    assert rebuild_status(generation()) == {
        "generation": 2,
        "position": 4,
        "target": 10,
        "percent": 40,
        "secondsLeft": 12,
    }
    assert "secondsLeft" not in rebuild_status(generation(position=0))
