"""Ids of version 7 carry their time, and sort in the order in which they were made."""

import time
from uuid import RFC_4122

import pytest

from chekov import uuid7 as module
from chekov.uuid7 import uuid7


def test_an_id_has_the_version_and_the_time_at_which_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after


def test_ids_sort_in_the_order_in_which_they_were_made() -> None:
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_a_clock_that_is_set_back_does_not_change_the_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = [uuid7()]
    monkeypatch.setattr(module, "time_ns", lambda: 0)
    made += [uuid7() for _ in range(100)]
    assert made == sorted(set(made))
    assert {(item.version, item.variant) for item in made} == {(7, RFC_4122)}
