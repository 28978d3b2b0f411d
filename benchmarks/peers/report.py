"""The tables and bars of `make bench-peers`, and the same as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measure import Rate, median, ratio
from benchmarks.peers.large import ANY, IN_USE
from benchmarks.peers.rounds import COLUMNS, Column, Outcome
from benchmarks.peers.systems import CHEKOV, CONDITIONS, PEERS_CONDITIONS, SYSTEMS
from benchmarks.peers.workloads import WORKLOADS, Workload

EMPTY = "-"
TITLES: Mapping[Column, str] = {"idle": "second idle", "two": "two processes"}


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and the limit that it is held to."""

    name: str
    figure: float | None
    wanted: float
    at_most: bool = False

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return "not measured"
        met = self.figure <= self.wanted if self.at_most else self.figure >= self.wanted
        return "met" if met else "MISSED"

    def line(self) -> str:
        sign = "≤" if self.at_most else "≥"
        figure = EMPTY if self.figure is None else f"{self.figure:,.2f}"
        return f"{self.name:62}{figure:>14}   {sign} {self.wanted:<10,g} {self.verdict}"


def times(outcome: Outcome, workload: str, system: str) -> float | None:
    """How many times as fast as a system chekov was: the median of the ratios in each round."""
    rates = outcome.rates
    return ratio(rates.get((workload, CHEKOV), ()), rates.get((workload, system), ()))


def column_ratio(outcome: Outcome, key: tuple[str, str], column: Column) -> float | None:
    """The ratio to the same system's one process: the median of the ratios in each round."""
    return ratio(outcome.columns.get((key, column), ()), outcome.rates.get(key, ()))


def bars(outcome: Outcome, large: Mapping[str, float]) -> list[Bar]:
    """The store's bars; those that this run did not measure have no figure."""
    live = _median(outcome.rates.get(("live", CHEKOV), ()))
    alone = _median(outcome.rates.get(("append 256", CHEKOV), ()))
    catch_up = _median(outcome.rates.get(("catch-up", CHEKOV), ()))
    return [
        Bar("16 in flight / eventsourcing", times(outcome, "append 16", "eventsourcing"), 20),
        Bar(
            "16 in flight with conditions / eventsourcing's",
            ratio(
                outcome.rates.get(("append 16", CONDITIONS), ()),
                outcome.rates.get(("append 16", PEERS_CONDITIONS), ()),
            ),
            4,
        ),
        Bar("16 in flight / Emmett", times(outcome, "append 16", "emmett"), 7),
        Bar(
            "256 in flight / bare batched INSERT", times(outcome, "append 256", "bare-batched"), 0.7
        ),
        Bar("256 in flight, a second", alone and alone.per_second, 30_000),
        Bar("1 in flight / bare INSERT", times(outcome, "append 1", "bare"), 0.9),
        *_two_processes(outcome),
        Bar("100 events / eventsourcing", times(outcome, "append 100", "eventsourcing"), 4),
        Bar("catch-up, typed events a second", catch_up and catch_up.per_second, 300_000),
        Bar(
            "projection, one upsert an event / eventsourcing",
            times(outcome, "project", "eventsourcing"),
            10,
        ),
        Bar("projection, one upsert an event / Emmett", times(outcome, "project", "emmett"), 4),
        Bar(
            "steps of process managers / eventsourcing",
            times(outcome, "process", "eventsourcing"),
            10,
        ),
        Bar("live at 1,000 a second, p50 ms", live and live.percentile(0.5), 1, at_most=True),
        Bar("live at 1,000 a second, p99 ms", live and live.percentile(0.99), 5, at_most=True),
        *(
            Bar(f"10 million events / 100,000 events: {name}", large.get(f"ratio, {name}"), 0.8)
            for name in (IN_USE, ANY)
        ),
        Bar("statements a second when idle", outcome.idle.get(CHEKOV), 2, at_most=True),
    ]


def _two_processes(outcome: Outcome) -> list[Bar]:
    found = [
        Bar(
            f"second process idle / none, {n} in flight",
            column_ratio(outcome, (f"append {n}", CHEKOV), "idle"),
            0.9,
        )
        for n in (1, 16, 64, 256)
    ]
    for n, wanted in ((16, 0.75), (256, 0.9)):
        figure = column_ratio(outcome, (f"append {n}", CHEKOV), "two")
        found.append(Bar(f"two processes / one, {n} in flight", figure, wanted))
    return found


def _median(rates: Sequence[Rate]) -> Rate | None:
    return median(rates) if rates else None


def tables(outcome: Outcome) -> str:
    """One table for each workload that was measured."""
    return "\n\n".join(
        "\n".join([workload.title, *_table(outcome, workload)])
        for workload in WORKLOADS
        if any(name == workload.name for name, _ in (*outcome.rates, *outcome.faults))
    )


def _table(outcome: Outcome, workload: Workload) -> list[str]:
    two = workload.has_two_processes and any(key[0] == workload.name for key, _ in outcome.columns)
    lines = [_head(workload.unit, two=two)]
    notes: dict[str, None] = {}
    for system in SYSTEMS:
        key = workload.name, system.name
        rates = outcome.rates.get(key, [])
        faults = outcome.faults.get(key, [])
        if not rates and not faults:
            continue
        columns = "".join(_column(outcome, key, column) for column in COLUMNS) if two else ""
        figures = _figures(outcome, key, rates)
        lines.append(f"  {system.title:34}{figures}{columns}  {_check(faults)}")
        if note := outcome.notes.get(key):
            lines.append(f"    {note}")
        if two and system.one_process:
            notes[f"  {EMPTY} {system.title}: one process only, {system.one_process}"] = None
    if two and workload.given["in_flight"] == 1:
        notes["  two processes: 1 in flight each"] = None
    return [*lines, *notes]


def _head(unit: str, *, two: bool) -> str:
    columns = "".join(f"{TITLES[column]:>15}{'x':>6}" for column in COLUMNS) if two else ""
    return (
        f"  {'':34}{unit + '/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'chekov is':>11}{columns}  check"
    )


def _column(outcome: Outcome, key: tuple[str, str], column: Column) -> str:
    rates = outcome.columns.get((key, column))
    if not rates:
        return f"{EMPTY:>15}{EMPTY:>6}"
    factor = column_ratio(outcome, key, column)
    shown = EMPTY if factor is None else f"{factor:.2f}"
    return f"{median(rates).per_second:15,.0f}{shown:>6}"


def _figures(outcome: Outcome, key: tuple[str, str], rates: Sequence[Rate]) -> str:
    if not rates:
        return f"{EMPTY:>12}{EMPTY:>10}{EMPTY:>10}{EMPTY:>11}"
    rate = median(rates)
    p50, p99 = (
        (f"{rate.percentile(0.5):.2f}", f"{rate.percentile(0.99):.2f}")
        if rate.latencies
        else (EMPTY, EMPTY)
    )
    factor = times(outcome, *key)
    shown = EMPTY if factor is None or key[1] == CHEKOV else f"{factor:.2f} x"
    return f"{rate.per_second:12,.0f}{p50:>10}{p99:>10}{shown:>11}"


def _check(faults: Sequence[str]) -> str:
    return "ok" if not faults else f"FAULTY ({len(faults)}): {faults[0].strip().splitlines()[-1]}"


def idle(outcome: Outcome) -> str:
    """Transactions a second with one subscriber attached and nothing appended."""
    lines = [
        f"  {system.title:34}{outcome.idle[system.name]:12.1f}"
        for system in SYSTEMS
        if system.name in outcome.idle
    ]
    return "\n".join(["idle with one subscriber, transactions a second", *lines])


def text(outcome: Outcome) -> str:
    """Every table."""
    absent = [f"{name} took no part: {reason}" for name, reason in outcome.absent.items()]
    parts = [tables(outcome), idle(outcome) if outcome.idle else "", *absent]
    return "\n\n".join(filter(None, parts))


def as_json(outcome: Outcome, judged: Sequence[Bar], large: Mapping[str, float]) -> dict[str, Any]:
    """Everything but the single latencies."""
    rows = [
        {
            "workload": workload,
            "system": system,
            "per_second": [rate.per_second for rate in rates],
            "p50_ms": [rate.percentile(0.5) for rate in rates if rate.latencies],
            "p99_ms": [rate.percentile(0.99) for rate in rates if rate.latencies],
            "times": times(outcome, workload, system),
            "faults": outcome.faults.get((workload, system), []),
            "columns": {
                column: {
                    "per_second": [rate.per_second for rate in outcome.columns[key, column]],
                    "ratio": column_ratio(outcome, key, column),
                }
                for key, column in outcome.columns
                if key == (workload, system)
            },
        }
        for (workload, system), rates in outcome.rates.items()
    ]
    verdicts = [asdict(bar) | {"verdict": bar.verdict} for bar in judged]
    return {"rows": rows, "bars": verdicts, "idle": outcome.idle, "large": dict(large)}
