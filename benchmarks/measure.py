"""How rates and latencies are taken: for a time, by a number of workers, and as medians."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rate:
    """What workers did in a time.

    Attributes:
        count: operations that were acknowledged.
        seconds: from the first start to the last end.
        latencies: of each operation, in seconds.
    """

    count: int
    seconds: float
    latencies: Sequence[float] = field(default=(), repr=False)

    @property
    def per_second(self) -> float:
        return self.count / self.seconds

    def percentile(self, share: float) -> float:
        """A latency in milliseconds that `share` of the operations did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


async def run_for(
    seconds: float, workers: int, operation: Callable[[int], Awaitable[object]], *, weight: int = 1
) -> Rate:
    """Let `workers` call `operation` with their number, again and again; a call counts `weight`."""
    clock = time.perf_counter
    latencies: list[float] = []
    started = clock()
    deadline = started + seconds

    async def work(worker: int) -> None:
        before = clock()
        while before < deadline:
            await operation(worker)
            after = clock()
            latencies.append(after - before)
            before = after

    async with asyncio.TaskGroup() as group:
        for worker in range(workers):
            group.create_task(work(worker))
    return Rate(len(latencies) * weight, clock() - started, latencies)


def median(rates: Sequence[Rate]) -> Rate:
    """The round whose rate is the median one."""
    middle = statistics.median_low([rate.per_second for rate in rates])
    return next(rate for rate in rates if rate.per_second == middle)
