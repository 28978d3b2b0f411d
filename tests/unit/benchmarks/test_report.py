"""Ratios and verdicts of the comparison."""

from benchmarks.measure import Rate
from benchmarks.peers.report import Bar, bars, tables, times
from benchmarks.peers.rounds import Outcome


def outcome(**rates: tuple[int, ...]) -> Outcome:
    made = Outcome()
    for system, rounds in rates.items():
        made.rates["append 16", system] = [Rate(count, 1.0, [0.001]) for count in rounds]
    return made


def test_a_ratio_is_the_median_of_the_ratios_in_each_round() -> None:
    assert times(outcome(chekov=(100, 900, 300), emmett=(10, 10, 100)), "append 16", "emmett") == 10


def test_there_is_no_ratio_without_both() -> None:
    assert times(outcome(chekov=(100,)), "append 16", "emmett") is None


def test_a_bar_is_met_from_its_side() -> None:
    assert [Bar("", 3, 2).verdict, Bar("", 1, 2).verdict] == ["met", "MISSED"]
    assert [Bar("", 3, 2, at_most=True).verdict, Bar("", 2, 2, at_most=True).verdict] == [
        "MISSED",
        "met",
    ]
    assert Bar("", None, 2).verdict == "not measured"


def test_bars_are_judged_by_what_was_measured() -> None:
    judged = bars(outcome(chekov=(2000,), eventsourcing=(100,)), {"ratio, any stream": 0.7})
    verdicts = {bar.name: bar.verdict for bar in judged}
    assert verdicts["16 in flight / eventsourcing"] == "met"
    assert verdicts["16 in flight / Emmett"] == "not measured"
    assert verdicts["10 million events / 100,000 events: any stream"] == "MISSED"


def test_a_fault_shows_in_the_table_and_fails_the_run() -> None:
    found = outcome(chekov=(100,), emmett=(10,))
    found.faults["append 16", "emmett"].append("2 acknowledged, 1 stored")
    assert "FAULTY (1): 2 acknowledged, 1 stored" in tables(found)
    assert found.is_faulty("emmett")
    assert not found.is_faulty("chekov")
