"""Rates of one and of several processes."""

import asyncio

from benchmarks.measure import Load, Rate, combined, median, ratio, run


async def test_a_count_is_made_exactly_and_by_all_workers() -> None:
    calls: list[int] = []

    async def one(worker: int) -> None:
        calls.append(worker)
        await asyncio.sleep(0)

    rate = await run(Load("x", 3, count=7, first=4), one)
    assert rate.count == len(rate.latencies) == len(calls) == 7
    assert set(calls) == {4, 5, 6}


async def test_a_time_bounds_a_load_without_a_count() -> None:
    async def one(_worker: int) -> None:
        await asyncio.sleep(0)

    rate = await run(Load("x", 2, seconds=0.01), one, weight=5)
    assert rate.seconds >= 0.01
    assert rate.count == 5 * len(rate.latencies)


def test_processes_count_from_the_first_start_to_the_last_end() -> None:
    rates = [Rate(10, 2.0, [0.1], 100.0), Rate(20, 3.0, [0.2], 101.0)]
    assert combined(rates) == Rate(30, 4.0, [0.1, 0.2], 100.0)
    assert combined(rates).per_second == 7.5


def test_a_ratio_is_the_median_over_the_rounds() -> None:
    rates = [Rate(count, 1.0) for count in (100, 900, 300)]
    assert ratio(rates, [Rate(count, 1.0) for count in (10, 10, 100)]) == 10


def test_a_ratio_needs_a_round_with_both() -> None:
    assert ratio([Rate(1, 1.0)], []) is None
    assert ratio([Rate(1, 1.0)], [Rate(0, 1.0)]) is None


def test_the_median_round_is_one_that_was_measured() -> None:
    rates = [Rate(count, 1.0) for count in (1, 4, 3, 2)]
    assert median(rates).count == 2
