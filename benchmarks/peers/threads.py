"""Loads on systems whose clients block: a thread for each operation in flight.

Only the standard library is used here, since these systems have an environment of their own.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import repeat

from benchmarks.measure import Load, Rate
from benchmarks.peers.wire import Measured

WARM_UP = 0.2


async def measure_threads(load: Load, operation: Callable[[int], None]) -> Measured:
    """Measure an operation, after some that are not."""
    if load.count is None:  # two processes are warmed up before they start together
        warm_up = replace(load, seconds=min(WARM_UP, load.seconds))
        await asyncio.to_thread(run_threads, warm_up, operation)
    rate = await asyncio.to_thread(run_threads, load, operation)
    return Measured(replace(rate, count=rate.count * load.events))


def run_threads(load: Load, operation: Callable[[int], None]) -> Rate:
    """As `measure.run`, with a thread for each worker."""
    clock = time.perf_counter
    latencies: list[float] = []
    errors: list[BaseException] = []
    gate = threading.Barrier(load.in_flight + 1)
    deadline = 0.0
    # Advancing an iterator is atomic; decrementing a number is not.
    left = repeat("one") if load.count is None else repeat("one", load.count)

    def work(worker: int) -> None:
        gate.wait()
        try:
            before = clock()
            while before < deadline and not errors and next(left, None):
                operation(worker)
                after = clock()
                latencies.append(after - before)
                before = after
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            errors.append(error)

    numbers = range(load.first, load.first + load.in_flight)
    started = [threading.Thread(target=work, args=(number,)) for number in numbers]
    for thread in started:
        thread.start()
    if load.start is not None:
        time.sleep(max(0.0, load.start - clock()))
    begun = clock()
    deadline = begun + load.seconds if load.count is None else float("inf")
    gate.wait()
    for thread in started:
        thread.join()
    if errors:
        raise errors[0]
    return Rate(len(latencies), clock() - begun, latencies, begun)
