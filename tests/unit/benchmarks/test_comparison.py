"""Ratios of two checkouts, their uncertainty and their verdicts."""

import pytest

from benchmarks.comparison import Comparison, as_json, figures, outside_of_interval, text
from benchmarks.measure import Rate

NOISY = Comparison("commands", [100, 100, 100, 100, 100], [90, 120, 111, 98, 111])


def test_a_ratio_is_the_median_of_neighbouring_slices() -> None:
    drifting = Comparison("commands", [100, 200, 400], [101, 198, 400])
    assert drifting.ratio == 1.0
    assert NOISY.ratio == 1.11


@pytest.mark.parametrize(("slices", "outside"), [(1, 0), (4, 0), (5, 0), (8, 1), (20, 5)])
def test_the_interval_leaves_out_the_extremes_of_many_slices(slices: int, outside: int) -> None:
    assert outside_of_interval(slices) == outside


def test_one_outlier_among_many_slices_changes_nothing() -> None:
    calm = Comparison("commands", [100] * 20, [100] * 19 + [1])
    assert calm.ratio == 1.0
    assert calm.interval == (1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "new", "verdict"),
    [
        ("commands", [102] * 5, "same"),
        ("commands", [90] * 5, "slower"),
        ("commands", [110] * 5, "faster"),
        ("append to handler, p50 ms", [110] * 5, "slower"),
        ("append to handler, p50 ms", [90] * 5, "faster"),
        ("commands", [90, 90, 90, 110, 110], "slower?"),
        ("commands", [90] * 4, "slower?"),
    ],
)
def test_a_verdict_needs_more_than_noise(name: str, new: list[float], verdict: str) -> None:
    assert Comparison(name, [100] * len(new), new).verdict == verdict


def test_a_slice_at_a_fixed_rate_is_compared_by_latency() -> None:
    rates = {
        "append to handler": Rate(2, 1.0, [0.001, 0.003]),
        "commands, 16 in flight": Rate(30, 2.0, [0.5]),
    }
    assert figures(rates) == {
        "append to handler, p50 ms": 3.0,
        "append to handler, p99 ms": 3.0,
        "commands, 16 in flight": 15.0,
    }


def test_each_row_shows_medians_ratio_interval_and_verdict() -> None:
    head, row = text([NOISY]).splitlines()
    assert head.split()[:3] == ["old", "new", "new/old"]
    assert row.split() == ["commands", "100", "111", "1.110", "0.900", "to", "1.200", "faster?"]


def test_every_figure_is_in_the_json() -> None:
    assert as_json([NOISY])["commands"] == {
        "old": [100, 100, 100, 100, 100],
        "new": [90, 120, 111, 98, 111],
        "ratio": 1.11,
        "interval": [0.9, 1.2],
        "verdict": "faster?",
    }
