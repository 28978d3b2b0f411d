"""Loads, rates and latencies: for a time or a number of operations, and as medians.

Only the standard library is used here, since one worker runs in an environment of its own.
"""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Load:
    """How one process makes one measurement.

    Attributes:
        name: prefixes the streams or aggregates of this measurement.
        in_flight: operations under way at any time, each by a worker of its own.
        seconds: how long to measure, unless `count` is given.
        events: events of one append.
        count: how many operations to make, instead of a time.
        start: when to start, on the clock `time.perf_counter`, which all processes share.
        first: number of the first worker; a second process continues the numbers of the first.
    """

    name: str
    in_flight: int
    seconds: float = 0.0
    events: int = 1
    count: int | None = None
    start: float | None = None
    first: int = 0


@dataclass(frozen=True, slots=True)
class Rate:
    """Operations acknowledged over a time.

    Attributes:
        count: operations that were acknowledged.
        seconds: from the first start to the last end.
        latencies: of each operation, in seconds.
        started: of the first operation, on the clock `time.perf_counter`.
    """

    count: int
    seconds: float
    latencies: Sequence[float] = field(default=(), repr=False)
    started: float = 0.0

    @property
    def per_second(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """A latency in milliseconds that `share` of the operations did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


async def run(
    load: Load, operation: Callable[[int], Awaitable[object]], *, weight: int = 1
) -> Rate:
    """Call `operation` with the worker's number until time or count is used up.

    Args:
        load: how many workers, and for how long.
        operation: one operation; returns when it is acknowledged.
        weight: how much one call counts.
    """
    clock = time.perf_counter
    latencies: list[float] = []
    if load.start is not None:
        await asyncio.sleep(max(0.0, load.start - clock()))
    left = float("inf") if load.count is None else load.count
    started = clock()
    deadline = started + load.seconds if load.count is None else float("inf")

    async def work(worker: int) -> None:
        nonlocal left
        before = clock()
        while before < deadline and left > 0:
            left -= 1
            await operation(worker)
            after = clock()
            latencies.append(after - before)
            before = after

    async with asyncio.TaskGroup() as group:
        for worker in range(load.first, load.first + load.in_flight):
            group.create_task(work(worker))
    return Rate(len(latencies) * weight, clock() - started, latencies, started)


async def run_for(
    seconds: float,
    workers: int,
    operation: Callable[[int], Awaitable[object]],
    *,
    weight: int = 1,
    first: int = 0,
) -> Rate:
    """As `run`, for a time."""
    return await run(Load("", workers, seconds, first=first), operation, weight=weight)


def combined(rates: Sequence[Rate]) -> Rate:
    """What several processes did together, from the first start to the last end."""
    started = min(rate.started for rate in rates)
    ended = max(rate.started + rate.seconds for rate in rates)
    latencies = [value for rate in rates for value in rate.latencies]
    return Rate(sum(rate.count for rate in rates), ended - started, latencies, started)


def median(rates: Sequence[Rate]) -> Rate:
    """The round whose rate is the median one."""
    middle = statistics.median_low([rate.per_second for rate in rates])
    return next(rate for rate in rates if rate.per_second == middle)


def ratio(rates: Sequence[Rate], others: Sequence[Rate]) -> float | None:
    """The median over the rounds of the ratio in each; `None` where no round has both."""
    ratios = [
        one.per_second / other.per_second
        for one, other in zip(rates, others, strict=False)
        if other.count
    ]
    return statistics.median(ratios) if ratios else None


def tune_gc() -> None:
    """Set the garbage collector as `chekov serve` does, so that in-process rates are a server's."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
