"""The ratios of two checkouts that were measured in alternation."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

from benchmarks.measure import Rate

TOLERANCE = 0.03
CONFIDENCE = 0.9
FEWEST = 5
LATENCIES = frozenset({"append to handler", "store live"})
"""Rows at a fixed rate, which are compared by latency."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One row.

    Attributes:
        name: what was measured; latencies end in "ms".
        old: one figure for each slice.
        new: the same, each measured next to the old one at its place.
    """

    name: str
    old: Sequence[float]
    new: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """New divided by old in each slice, in ascending order."""
        return sorted(new / old for old, new in zip(self.old, self.new, strict=True))

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the median ratio lies with a confidence of 90 %, by order statistics.

        It assumes nothing about the distribution. Of fewer than five slices, the lowest and the
        highest ratio do not reach that confidence.
        """
        ratios = self.ratios
        outside = outside_of_interval(len(ratios))
        return ratios[outside], ratios[-1 - outside]

    @property
    def lower_is_better(self) -> bool:
        return self.name.endswith("ms")

    @property
    def verdict(self) -> str:
        """`same` within the tolerance; a question mark where it may be noise.

        It may be where the interval includes 1, or where fewer than five slices give none.
        """
        if abs(self.ratio - 1) <= TOLERANCE:
            return "same"
        low, high = self.interval
        better = (self.ratio < 1) == self.lower_is_better
        noise = low <= 1 <= high or len(self.ratios) < FEWEST
        return ("faster" if better else "slower") + "?" * noise

    def line(self) -> str:
        digits = 2 if self.lower_is_better else 0
        old, new = (f"{statistics.median(part):12,.{digits}f}" for part in (self.old, self.new))
        low, high = self.interval
        interval = f"{low:.3f} to {high:.3f}"
        return f"{self.name:40}{old}{new}{self.ratio:9.3f}   {interval:18}{self.verdict}"


def outside_of_interval(size: int) -> int:
    """How many of the lowest, and as many of the highest, values the median's interval leaves out.

    The median lies below the k-th lowest of n values with the probability that a fair coin shows
    heads fewer than k times in n throws.
    """
    outside, below = 0, 1
    while 1 - 2 * (below + comb(size, outside + 1)) / 2**size >= CONFIDENCE:
        outside += 1
        below += comb(size, outside)
    return outside


def figures(rates: Mapping[str, Rate]) -> dict[str, float]:
    """The figures of one slice: operations a second, or percentiles where the rate was fixed."""
    found: dict[str, float] = {}
    for name, rate in rates.items():
        if name in LATENCIES:
            found |= {f"{name}, p{n} ms": rate.percentile(n / 100) for n in (50, 99)}
        else:
            found[name] = rate.per_second
    return found


def text(rows: Sequence[Comparison]) -> str:
    """A line for each row."""
    interval = f"{CONFIDENCE:.0%} interval"
    head = f"{'':40}{'old':>12}{'new':>12}{'new/old':>9}   {interval:18}±{TOLERANCE:.0%}"
    return "\n".join([head, *(row.line() for row in rows)])


def as_json(rows: Sequence[Comparison]) -> Mapping[str, Any]:
    """Every figure, with ratios and verdicts."""
    return {
        row.name: {
            "old": list(row.old),
            "new": list(row.new),
            "ratio": row.ratio,
            "interval": list(row.interval),
            "verdict": row.verdict,
        }
        for row in rows
    }
