"""Tables, bars, and the same as JSON."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from benchmarks.measure import Rate, median
from benchmarks.peers.large import ANY, IN_USE
from benchmarks.peers.rounds import Outcome
from benchmarks.peers.systems import OURS, SYSTEMS
from benchmarks.peers.workloads import WORKLOADS

EMPTY = "-"


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and what it has to be."""

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
    """How many times as fast ours was: the median over the rounds of the ratio in each."""
    ours = outcome.rates.get((workload, OURS), ())
    theirs = outcome.rates.get((workload, system), ())
    ratios = [
        one.per_second / other.per_second
        for one, other in zip(ours, theirs, strict=False)
        if other.count
    ]
    return statistics.median(ratios) if ratios else None


def bars(outcome: Outcome, large: Mapping[str, float]) -> list[Bar]:
    """The bars that the store is held to, as far as this run measured them."""
    live = _median(outcome.rates.get(("live", OURS), ()))
    alone = _median(outcome.rates.get(("append 256", OURS), ()))
    catch_up = _median(outcome.rates.get(("catch-up", OURS), ()))
    return [
        Bar("16 in flight / eventsourcing", times(outcome, "append 16", "eventsourcing"), 20),
        Bar("16 in flight / Emmett", times(outcome, "append 16", "emmett"), 7),
        Bar(
            "256 in flight / bare batched INSERT", times(outcome, "append 256", "bare-batched"), 0.7
        ),
        Bar("256 in flight, a second", alone and alone.per_second, 30_000),
        Bar("1 in flight / bare INSERT", times(outcome, "append 1", "bare"), 0.9),
        Bar("100 events / eventsourcing", times(outcome, "append 100", "eventsourcing"), 4),
        Bar("catch-up, typed events a second", catch_up and catch_up.per_second, 300_000),
        Bar("live at 1,000 a second, p50 ms", live and live.percentile(0.5), 1, at_most=True),
        Bar("live at 1,000 a second, p99 ms", live and live.percentile(0.99), 5, at_most=True),
        *(
            Bar(f"10 million events / 100,000 events: {name}", large.get(f"ratio, {name}"), 0.8)
            for name in (IN_USE, ANY)
        ),
        Bar("statements a second when idle", outcome.idle.get(OURS), 2, at_most=True),
    ]


def _median(rates: Sequence[Rate]) -> Rate | None:
    return median(rates) if rates else None


def tables(outcome: Outcome) -> str:
    """One table for each workload that was measured."""
    return "\n\n".join(
        "\n".join([f"{workload.title}", *_table(outcome, workload.name, workload.unit)])
        for workload in WORKLOADS
        if any(name == workload.name for name, _ in (*outcome.rates, *outcome.faults))
    )


def _table(outcome: Outcome, workload: str, unit: str) -> list[str]:
    lines = [f"  {'':34}{unit + '/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'ours is':>10}  check"]
    for system in SYSTEMS:
        key = workload, system.name
        rates = outcome.rates.get(key, [])
        faults = outcome.faults.get(key, [])
        if rates or faults:
            lines.append(f"  {system.title:34}{_figures(outcome, key, rates)}  {_check(faults)}")
            if note := outcome.notes.get(key):
                lines.append(f"    {note}")
    return lines


def _figures(outcome: Outcome, key: tuple[str, str], rates: Sequence[Rate]) -> str:
    if not rates:
        return f"{EMPTY:>12}{EMPTY:>10}{EMPTY:>10}{EMPTY:>10}"
    rate = median(rates)
    p50, p99 = (
        (f"{rate.percentile(0.5):.2f}", f"{rate.percentile(0.99):.2f}")
        if rate.latencies
        else (EMPTY, EMPTY)
    )
    ratio = times(outcome, *key)
    shown = EMPTY if ratio is None or key[1] == OURS else f"{ratio:.2f} x"
    return f"{rate.per_second:12,.0f}{p50:>10}{p99:>10}{shown:>10}"


def _check(faults: Sequence[str]) -> str:
    return "ok" if not faults else f"FAULTY ({len(faults)}): {faults[0].strip().splitlines()[-1]}"


def idle(outcome: Outcome) -> str:
    """Transactions a second of a store that is followed and to which nothing happens."""
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


def as_json(
    outcome: Outcome, judged: Sequence[Bar], large: Mapping[str, float]
) -> dict[str, object]:
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
        }
        for (workload, system), rates in outcome.rates.items()
    ]
    verdicts = [asdict(bar) | {"verdict": bar.verdict} for bar in judged]
    return {"rows": rows, "bars": verdicts, "idle": outcome.idle, "large": dict(large)}
