"""What a subscriber sees of concurrent appends is compared with what was appended."""

import pytest

from benchmarks.peers import deliveries
from benchmarks.peers.deliveries import Deliveries


def of(*called: tuple[str, int]) -> Deliveries:
    made = Deliveries()
    for stream, version in called:
        made.call(stream, version)
    return made


def test_events_of_several_streams_that_are_seen_once_have_no_fault() -> None:
    made = of(("a", 1), ("b", 1), ("a", 2))
    for stream, version in (("b", 1), ("a", 1), ("a", 2)):
        made.note(stream, version)
    found = made.measured()
    assert (found.rate.count, len(found.rate.latencies), found.faults) == (3, 3, [])


def test_what_is_lost_doubled_or_out_of_order_is_a_fault() -> None:
    made = of(("a", 1), ("a", 2), ("a", 3), ("b", 1))
    for version in (2, 1, 2):
        made.note("a", version)
    found = made.measured()
    assert found.faults == ["the subscriber lost 2, saw 1 twice and 1 out of order"]
    assert found.rate.count == 2


def test_events_of_other_streams_only_show_that_the_subscriber_is_attached() -> None:
    made = of(("a", 1))
    assert not made.attached
    made.note("first", 1)
    assert made.attached
    assert made.measured().faults == ["the subscriber lost 1, saw 0 twice and 0 out of order"]


def test_it_is_over_when_everything_was_seen_or_nothing_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = of(("a", 1))
    assert not made.are_over()
    monkeypatch.setattr(deliveries, "QUIET", -1.0)
    assert made.are_over()
    monkeypatch.undo()
    made.note("a", 1)
    assert made.are_over()
