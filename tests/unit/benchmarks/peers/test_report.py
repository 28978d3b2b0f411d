"""Ratios, columns and verdicts of the comparison with peers."""

from benchmarks.measure import Rate
from benchmarks.peers.report import Bar, as_json, bars, column_ratio, tables, times
from benchmarks.peers.rounds import COLUMNS, Outcome


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


def test_bars_are_judged_by_the_measured_rates() -> None:
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


def with_second(**rates: tuple[int, ...]) -> Outcome:
    made = outcome(chekov=(100, 100, 200), bare=(50, 50, 50))
    for column in COLUMNS:
        made.columns[("append 16", "chekov"), column] = [
            Rate(count, 1.0) for count in rates[column]
        ]
    return made


def test_the_ratio_of_a_column_is_to_one_process_of_the_same_round() -> None:
    made = with_second(idle=(90, 95, 180), two=(50, 80, 180))
    assert column_ratio(made, ("append 16", "chekov"), "idle") == 0.9
    assert column_ratio(made, ("append 16", "chekov"), "two") == 0.8
    assert column_ratio(made, ("append 16", "bare"), "two") is None


def test_a_system_of_one_process_has_dashes_and_a_reason() -> None:
    text = tables(with_second(idle=(90, 95, 180), two=(50, 80, 180)))
    lines = {line.strip().partition("  ")[0]: line for line in text.splitlines()}
    assert "second idle" in text
    assert "two processes" in text
    assert lines["chekov"].split()[-5:] == ["95", "0.90", "80", "0.80", "ok"]
    assert lines["bare INSERT"].split()[-5:] == ["-", "-", "-", "-", "ok"]
    assert "- bare INSERT: one process only, its positions come from a counter" in text


def test_without_a_second_process_there_are_no_columns() -> None:
    text = tables(outcome(chekov=(100,)))
    assert "second idle" not in text
    assert "one process only" not in text


def test_two_processes_have_bars() -> None:
    made = with_second(idle=(90, 95, 180), two=(50, 70, 130))
    verdicts = {bar.name: bar.verdict for bar in bars(made, {})}
    assert verdicts["second process idle / none, 16 in flight"] == "met"
    assert verdicts["two processes / one, 16 in flight"] == "MISSED"
    assert verdicts["two processes / one, 256 in flight"] == "not measured"


def test_the_columns_are_in_the_json() -> None:
    made = with_second(idle=(90, 95, 180), two=(50, 80, 180))
    rows = as_json(made, [], {})["rows"]
    columns = {row["system"]: row["columns"] for row in rows}
    assert columns["chekov"]["two"] == {"per_second": [50, 80, 180], "ratio": 0.8}
    assert columns["bare"] == {}


def test_a_check_that_counts_other_events_is_a_fault() -> None:
    made = Outcome()
    made.note(
        ("append 16", "chekov"), {"count": 2, "seconds": 1.0}, {"stored": 1, "acknowledged": 2}
    )
    assert made.faults["append 16", "chekov"] == ["2 acknowledged, 1 stored"]
