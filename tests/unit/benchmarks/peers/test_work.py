"""The check of each figure finds lost, duplicated and reordered events."""

from benchmarks.measure import Load
from benchmarks.peers.work import Appends, Decisions, Ledger, order_faults


def ledger(**acknowledged: int) -> Ledger:
    made = Ledger()
    made.acknowledged.update(acknowledged)
    return made


def test_events_acknowledged_and_stored_in_order_have_no_fault() -> None:
    checked = ledger(a=2, b=1)
    assert checked.check([(1, "a", 1), (2, "b", 1), (3, "a", 2)], contiguous=True) == []
    assert checked.missing() == []
    assert checked.total == checked.stored == 3


def test_the_check_continues_where_it_stopped() -> None:
    checked = ledger(a=2)
    assert checked.check([(1, "a", 1)], contiguous=True) == []
    assert checked.position == 1
    assert checked.check([(2, "a", 2)], contiguous=True) == []


def test_an_acknowledged_event_that_is_not_stored_is_found() -> None:
    checked = ledger(a=2)
    checked.check([(1, "a", 1)], contiguous=True)
    assert checked.missing() == ["a: 2 acknowledged, 1 stored"]


def test_a_stored_event_that_was_not_acknowledged_is_found() -> None:
    checked = ledger(a=1)
    checked.check([(1, "a", 1), (2, "b", 1)], contiguous=True)
    assert checked.missing() == ["b: 0 acknowledged, 1 stored"]


def test_versions_out_of_order_are_found() -> None:
    faults = ledger(a=2).check([(1, "a", 2), (2, "a", 1)], contiguous=True)
    assert faults == ["a: version 2 is number 1", "a: version 1 is number 2"]


def test_a_gap_is_a_fault_only_where_positions_are_contiguous() -> None:
    rows = [(1, "a", 1), (3, "a", 2)]
    assert ledger(a=2).check(rows, contiguous=True) == ["position 3 follows 1"]
    assert ledger(a=2).check(rows, contiguous=False) == []


def test_a_subscriber_that_saw_every_event_once_and_in_order_has_no_fault() -> None:
    assert order_faults([1, 2, 3], 3) == []


def test_events_that_a_subscriber_lost_or_saw_twice_or_late_are_counted() -> None:
    assert order_faults([1, 3, 2, 3], 4) == [
        "the subscriber lost 1, saw 1 twice and 1 out of order"
    ]


def test_the_ledgers_of_two_processes_are_merged_for_the_check() -> None:
    checked, other = ledger(a=2, b=1), ledger(b=1, c=1)
    checked.merge(other.acknowledged)
    rows = [(1, "a", 1), (2, "b", 1), (3, "c", 1), (4, "b", 2), (5, "a", 2)]
    assert checked.check(rows, contiguous=True) == []
    assert checked.missing() == []
    assert checked.total == checked.stored == 5


def test_an_event_that_only_the_other_process_lost_is_found() -> None:
    checked = ledger(a=1)
    checked.merge({"a": 1})
    checked.check([(1, "a", 1)], contiguous=True)
    assert checked.missing() == ["a: 2 acknowledged, 1 stored"]


def test_two_processes_share_no_stream() -> None:
    first, second = Appends(Load("x", 2, 1.0)), Appends(Load("x", 2, 1.0, first=2))
    assert not {first.next(worker) for worker in (0, 1)} & {
        second.next(worker) for worker in (2, 3)
    }


def test_no_two_workers_share_a_stream() -> None:
    for names in (Appends(Load("x", 3, 1.0)), Decisions(Load("x", 3, 1.0))):
        streams = [{names.next(worker) for _ in range(100)} for worker in range(3)]
        assert not streams[0] & streams[1]
        assert not streams[1] & streams[2]


def test_each_aggregate_takes_a_few_decisions() -> None:
    names = Decisions(Load("x", 1, 1.0))
    streams = [names.next(0) for _ in range(24)]
    assert [streams.count(name) for name in dict.fromkeys(streams)] == [8, 8, 8]
