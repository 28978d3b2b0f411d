"""The tables, ratios and bars of `make bench`."""

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measure import Rate, median, ratio
from benchmarks.two_processes import COLUMNS, Column, Columns

EMPTY = "-"
CONNECTIONS = (1, 16, 64)
IN_FLIGHT = (1, 16, 64, 256)
SHARED_CORES = ", cores shared"
"""Suffix of rows that are measured once more with client and server wherever they are scheduled."""
BARE = ", bare loop"
"""Suffix of rows with the limit of the row of that name: its statements, and nothing else."""
EMPTY_HANDLER = "catch-up, event handler"
ONE_WRITE_EACH = "projection, one write per event"
FOLDED = "projection, folded batches"
COPIED = "projection, copied batches"
PROCESS_STEPS = "steps of process managers"
TITLES: Mapping[Column, str] = {
    "one": "one process",
    "idle": "second idle",
    "shared": "two, shared",
    "separate": "two, separate",
}

_LIMITED = (EMPTY_HANDLER, ONE_WRITE_EACH, FOLDED, COPIED, PROCESS_STEPS)

Results = Mapping[str, Sequence[Rate]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, and the bar that it is held to if it has one."""

    name: str
    value: float
    bar: float | None = None
    at_most: bool = False

    @property
    def verdict(self) -> str:
        if self.bar is None:
            return ""
        met = self.value <= self.bar if self.at_most else self.value >= self.bar
        return "met" if met else "MISSED"

    def line(self) -> str:
        sign = "≤" if self.at_most else "≥"
        judged = "" if self.bar is None else f"   {sign} {self.bar:<10,g} {self.verdict}"
        return f"{self.name:62}{self.value:14,.2f}{judged}"


def text(rates: Results, columns: Columns, events: int, others: Sequence[Figure] = ()) -> str:
    """Everything that a run found.

    Args:
        rates: row → one rate a round.
        columns: commands with a second process at the store.
        events: in the history that was checked.
        others: figures that are not made of rates.
    """
    parts = [
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        table(rates),
        columns_table(columns) if columns.rates else "",
        "\n".join(figure.line() for figure in [*figures(rates, columns), *others]),
        f"history: {events:,} events; 0 lost, 0 reordered, 0 duplicated",
    ]
    return "\n\n".join(filter(None, parts))


def table(rates: Results) -> str:
    """The median round of each row."""
    lines = [f"{'':43}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}"]
    for name, rounds in rates.items():
        rate = median(rounds)
        latencies = (
            f"{rate.percentile(0.5):10.2f}{rate.percentile(0.99):10.2f}" if rate.latencies else ""
        )
        lines.append(f"{name:43}{rate.per_second:12,.0f}{latencies}")
    return "\n".join(lines)


def columns_table(columns: Columns) -> str:
    """Commands a second by one and by two processes, with ratios to one process of the same run."""
    head = "".join(f"{TITLES[column]:>18}{'x' if column != 'one' else '':>7}" for column in COLUMNS)
    lines = [
        "commands a second; two processes share the number in flight and the number of commands",
        f"{'in flight':16}{head}",
    ]
    for in_flight in sorted({key[0] for key in columns.rates}):
        label = "1 (two: 1 each)" if in_flight == 1 else str(in_flight)
        cells = "".join(_cell(columns, in_flight, column) for column in COLUMNS)
        lines.append(f"{label:16}{cells}")
    refused = sum(columns.refused.values())
    if refused:
        lines.append(f"{refused:,} commands lost every retry to the other process and were resent")
    return "\n".join(lines)


def _cell(columns: Columns, in_flight: int, column: Column) -> str:
    rounds = columns.rates.get((in_flight, column))
    if not rounds:
        return f"{EMPTY:>18}{EMPTY:>7}"
    factor = None if column == "one" else column_ratio(columns, in_flight, column)
    shown = "" if factor is None else f"{factor:.2f}"
    return f"{median(rounds).per_second:18,.0f}{shown:>7}"


def column_ratio(columns: Columns, in_flight: int, column: Column) -> float | None:
    """The median over the rounds of the ratio to one process in the same round."""
    rates = columns.rates
    return ratio(rates.get((in_flight, column), ()), rates.get((in_flight, "one"), ()))


def figures(rates: Results, columns: Columns) -> list[Figure]:
    """The figures that may be compared between machines, as far as this run measured them."""
    return [*_limits(rates), *_absolute(rates), *_spreads(rates), *_two_processes(columns)]


def _limits(rates: Results) -> list[Figure]:
    lone, bare = "commands, 1 in flight", "bare INSERT"
    pairs = [
        (f"{lone} / {bare}", lone, bare, 0.85),
        (f"{lone} / {bare}{SHARED_CORES}", lone + SHARED_CORES, bare + SHARED_CORES, None),
        (
            "commands, 256 in flight / bare INSERT of 256",
            "commands, 256 in flight",
            "bare INSERT of 256",
            None,
        ),
        *(
            (
                f"HTTP / echo, {number} connections",
                f"HTTP, {number} connections",
                f"echo, {number} connections",
                {1: 0.25, 64: 0.45}.get(number),
            )
            for number in CONNECTIONS
        ),
        *(
            (
                f"HTTP / echo of Granian, {number} connections",
                f"HTTP, {number} connections",
                f"echo of Granian, {number} connections",
                None,
            )
            for number in CONNECTIONS
        ),
        *((f"{row} / bare loop", row, f"{row}{BARE}", None) for row in _LIMITED),
    ]
    return [
        Figure(name, value, bar)
        for name, one, limit, bar in pairs
        if (value := ratio(rates.get(one, ()), rates.get(limit, ()))) is not None
    ]


def _absolute(rates: Results) -> list[Figure]:
    found = [
        Figure(name, median(rates[row]).per_second, bar)
        for name, row, bar in (
            ("commands, 256 in flight, per second", "commands, 256 in flight", 30_000),
            ("NDJSON batches of 256, commands per second", "NDJSON batches of 256", 25_000),
            ("catch-up, decoded events per second", "catch-up", 200_000),
            ("empty handler, events per second", EMPTY_HANDLER, 150_000),
            (f"{ONE_WRITE_EACH}, events per second", ONE_WRITE_EACH, 40_000),
            (f"{FOLDED}, events per second", FOLDED, 100_000),
            (f"{COPIED}, events per second", COPIED, None),
            (f"{PROCESS_STEPS}, per second", PROCESS_STEPS, 3_000),
        )
        if row in rates
    ]
    for row, where, bar in (
        ("live, 1000 a second", "same process", 0.5),
        ("live, 1000 a second, other store", "another process's store", 1.5),
    ):
        if live := rates.get(row):
            for share, most in ((0.5, bar), (0.99, 5.0)):
                name = f"append to handler, {where}, p{share * 100:.0f} ms"
                found.append(Figure(name, median(live).percentile(share), most, at_most=True))
    return found


def _spreads(rates: Results) -> list[Figure]:
    """How much longer the slowest commands take than the usual one."""
    return [
        Figure(
            f"{row}, p99 / p50",
            statistics.median(each.percentile(0.99) / each.percentile(0.5) for each in rates[row]),
            5.0,
            at_most=True,
        )
        for row in ("commands, 64 in flight", "commands, 256 in flight")
        if row in rates
    ]


def _two_processes(columns: Columns) -> list[Figure]:
    bars: tuple[tuple[str, int, Column, float], ...] = (
        *((f"second process idle / none, {n} in flight", n, "idle", 0.9) for n in IN_FLIGHT),
        *(
            (f"two processes / one, shared aggregates, {n} in flight", n, "shared", 0.7)
            for n in (16, 64, 256)
        ),
    )
    return [
        Figure(name, value, bar)
        for name, in_flight, column, bar in bars
        if (value := column_ratio(columns, in_flight, column)) is not None
    ]


def as_json(
    rates: Results, columns: Columns, events: int, others: Sequence[Figure] = ()
) -> dict[str, Any]:
    """Everything but the single latencies; see `text`."""
    found = [*figures(rates, columns), *others]
    return {
        "figures": {figure.name: figure.value for figure in found},
        "bars": [
            asdict(figure) | {"verdict": figure.verdict}
            for figure in found
            if figure.bar is not None
        ],
        "rows": {name: _rounds(rounds) for name, rounds in rates.items()},
        "columns": [
            {
                "in_flight": in_flight,
                "column": column,
                "ratio": column_ratio(columns, in_flight, column),
                "refused": columns.refused[in_flight, column],
                **_rounds(rounds),
            }
            for (in_flight, column), rounds in columns.rates.items()
        ],
        "events": events,
    }


def _rounds(rounds: Sequence[Rate]) -> dict[str, list[float]]:
    return {
        "per_second": [rate.per_second for rate in rounds],
        "p50_ms": [rate.percentile(0.5) for rate in rounds if rate.latencies],
        "p99_ms": [rate.percentile(0.99) for rate in rounds if rate.latencies],
    }
