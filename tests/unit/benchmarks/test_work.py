"""The check behind each figure of the comparison finds what it is there to find."""

from benchmarks.peers.work import Appends, Decisions, Ledger, Load, order_faults


def ledger(**acknowledged: int) -> Ledger:
    made = Ledger()
    made.acknowledged.update(acknowledged)
    return made


def test_what_was_acknowledged_and_stored_in_order_is_sound() -> None:
    checked = ledger(a=2, b=1)
    assert checked.check([(1, "a", 1), (2, "b", 1), (3, "a", 2)], contiguous=True) == []
    assert checked.missing() == []
    assert checked.total == checked.stored == 3


def test_the_check_goes_on_where_it_stopped() -> None:
    checked = ledger(a=2)
    assert checked.check([(1, "a", 1)], contiguous=True) == []
    assert checked.position == 1
    assert checked.check([(2, "a", 2)], contiguous=True) == []


def test_an_acknowledged_event_that_is_not_stored_is_found() -> None:
    checked = ledger(a=2)
    checked.check([(1, "a", 1)], contiguous=True)
    assert checked.missing() == ["a: 2 acknowledged, 1 stored"]


def test_an_event_that_nobody_was_told_of_is_found() -> None:
    checked = ledger(a=1)
    checked.check([(1, "a", 1), (2, "b", 1)], contiguous=True)
    assert checked.missing() == ["b: 0 acknowledged, 1 stored"]


def test_versions_out_of_order_are_found() -> None:
    faults = ledger(a=2).check([(1, "a", 2), (2, "a", 1)], contiguous=True)
    assert faults == ["a: version 2 came as number 1", "a: version 1 came as number 2"]


def test_a_gap_is_a_fault_only_where_positions_promise_to_have_none() -> None:
    rows = [(1, "a", 1), (3, "a", 2)]
    assert ledger(a=2).check(rows, contiguous=True) == ["position 3 came after 1"]
    assert ledger(a=2).check(rows, contiguous=False) == []


def test_a_subscriber_that_saw_all_once_and_in_order_has_no_fault() -> None:
    assert order_faults([1, 2, 3], 3) == []


def test_what_a_subscriber_lost_or_saw_twice_or_late_is_counted() -> None:
    assert order_faults([1, 3, 2, 3], 4) == [
        "the subscriber lost 1, saw 1 twice and 1 out of order"
    ]


def test_no_two_workers_share_a_stream() -> None:
    for names in (Appends(Load("x", 3, 1.0)), Decisions(Load("x", 3, 1.0))):
        streams = [{names.next(worker) for _ in range(100)} for worker in range(3)]
        assert not streams[0] & streams[1]
        assert not streams[1] & streams[2]


def test_an_aggregate_takes_a_few_decisions_and_gives_way() -> None:
    names = Decisions(Load("x", 1, 1.0))
    streams = [names.next(0) for _ in range(24)]
    assert [streams.count(name) for name in dict.fromkeys(streams)] == [8, 8, 8]
