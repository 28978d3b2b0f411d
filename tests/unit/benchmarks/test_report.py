"""Tables, ratios and bars of `make bench`."""

from benchmarks.measure import Rate
from benchmarks.report import (
    BARE,
    EMPTY_HANDLER,
    PROCESS_STEPS,
    Figure,
    as_json,
    column_ratio,
    columns_table,
    figures,
    table,
    text,
)
from benchmarks.two_processes import COLUMNS, Column, Columns


def columns(in_flight: int = 16, **rates: tuple[int, ...]) -> Columns:
    made = Columns()
    for column in COLUMNS:
        if column in rates:
            made.rates[in_flight, column] = [Rate(count, 1.0, [0.001]) for count in rates[column]]
    return made


MEASURED = columns(one=(100, 200, 400), idle=(90, 190, 380), shared=(30, 80, 100))


def ratio_of(column: Column) -> float | None:
    return column_ratio(MEASURED, 16, column)


def test_a_column_is_compared_with_one_process_of_the_same_round() -> None:
    assert ratio_of("idle") == 0.95
    assert ratio_of("shared") == 0.3
    assert ratio_of("separate") is None


def test_absolute_rates_and_ratios_stand_side_by_side() -> None:
    *_, row = columns_table(MEASURED).splitlines()
    assert row.split() == ["16", "200", "190", "0.95", "80", "0.30", "-", "-"]


def test_one_in_flight_is_one_in_each_process() -> None:
    assert "1 (two: 1 each)" in columns_table(columns(1, one=(100,)))


def test_commands_that_lost_every_retry_are_mentioned() -> None:
    made = columns(one=(100,))
    assert "lost every retry" not in columns_table(made)
    made.refused[16, "shared"] = 3
    assert "3 commands lost every retry" in columns_table(made)


def test_a_row_shows_its_median_round() -> None:
    rates = {"commands": [Rate(count, 1.0, [0.002]) for count in (10, 30, 20)]}
    *_, row = table(rates).splitlines()
    assert row.split() == ["commands", "20", "2.00", "2.00"]


def test_figures_are_those_that_were_measured() -> None:
    rates = {
        "commands, 1 in flight": [Rate(90, 1.0)],
        "bare INSERT": [Rate(100, 1.0)],
        "live, 1000 a second": [Rate(1, 1.0, [0.003])],
    }
    found = {figure.name: (figure.value, figure.verdict) for figure in figures(rates, MEASURED)}
    assert found == {
        "commands, 1 in flight / bare INSERT": (0.9, "met"),
        "append to handler, same process, p50 ms": (3.0, "MISSED"),
        "append to handler, same process, p99 ms": (3.0, "met"),
        "second process idle / none, 16 in flight": (0.95, "met"),
        "two processes / one, shared aggregates, 16 in flight": (0.3, "MISSED"),
    }


def test_a_ratio_to_a_limit_is_the_median_of_those_in_each_round() -> None:
    rates = {
        "commands, 1 in flight": [Rate(count, 1.0) for count in (90, 40, 160)],
        "bare INSERT": [Rate(count, 1.0) for count in (100, 50, 200)],
    }
    [found] = figures(rates, Columns())
    assert (found.value, found.verdict) == (0.8, "MISSED")


def test_the_slowest_commands_are_compared_with_the_usual_one() -> None:
    rounds = [Rate(100, 1.0, [0.001] * 98 + [0.001 * times] * 2) for times in (3, 6, 9)]
    found = figures({"commands, 64 in flight": rounds}, Columns())
    assert [(each.name, round(each.value, 3), each.verdict) for each in found] == [
        ("commands, 64 in flight, p99 / p50", 6.0, "MISSED")
    ]


def test_handlers_are_compared_with_a_loop_that_only_makes_their_statements() -> None:
    rates = {
        f"{EMPTY_HANDLER}{BARE}": [Rate(200, 1.0)],
        EMPTY_HANDLER: [Rate(100, 1.0)],
        PROCESS_STEPS: [Rate(3_000, 1.0)],
    }
    found = {figure.name: (figure.value, figure.verdict) for figure in figures(rates, columns())}
    assert found == {
        "catch-up, event handler / bare loop": (0.5, ""),
        "empty handler, events per second": (100, "MISSED"),
        "steps of process managers, per second": (3_000, "met"),
    }


def test_a_figure_without_a_bar_has_no_verdict() -> None:
    assert Figure("x", 1.0).verdict == ""
    assert "≥" not in Figure("x", 1.0).line()


def test_the_text_holds_every_part() -> None:
    whole = text({"commands": [Rate(10, 1.0)]}, MEASURED, 1234, [Figure("rows read", 1.0, 1.3)])
    assert "rows read" in whole
    assert "second idle" in whole
    assert whole.endswith("history: 1,234 events; 0 lost, 0 reordered, 0 duplicated")


def test_the_columns_are_in_the_json() -> None:
    found = as_json({}, MEASURED, 5)
    assert {row["column"]: row["ratio"] for row in found["columns"]} == {
        "one": 1.0,
        "idle": 0.95,
        "shared": 0.3,
    }


def test_every_bar_is_in_the_json_with_its_verdict() -> None:
    others = [Figure("faults", 1, 0, at_most=True), Figure("refusals", 3)]
    bars = as_json({}, Columns(), 5, others)["bars"]
    assert [(bar["name"], bar["verdict"]) for bar in bars] == [("faults", "MISSED")]
