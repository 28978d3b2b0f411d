"""Commands, catch-up and live delivery inside one process."""

import asyncio
import time
from collections import Counter as Tally
from collections.abc import MutableMapping

from benchmarks.domain import NOTE, Add, Watch, commands
from benchmarks.domain import Counter as CounterAggregate
from benchmarks.measure import Rate, run_for
from chekov import Context, Domain, Runtime
from chekov.engine.subscriptions.page_reader import PageReader


async def dispatch(
    runtime: Runtime, seconds: float, in_flight: int, acknowledged: MutableMapping[str, int]
) -> Rate:
    """Commands to 64 instances for each one in flight, 1,024 at most: soon all are loaded."""
    tally: Tally[str] = Tally()
    turn = [0] * in_flight
    instances = min(1024, 64 * in_flight)

    async def one(worker: int) -> None:
        turn[worker] += 1
        name = f"{in_flight}-{(worker + turn[worker] * in_flight) % instances}"
        result = await runtime.dispatch(Add(counter=name, amount=1, note=NOTE))
        tally[result.stream] += 1

    rate = await run_for(seconds, in_flight, one)
    for stream, count in tally.items():
        acknowledged[stream] = acknowledged.get(stream, 0) + count
    return rate


async def catch_up(runtime: Runtime) -> Rate:
    """Read everything from the origin as a subscription does, and decode it."""
    async with asyncio.TaskGroup() as group:
        pages = PageReader(runtime.store, group.create_task)
        started = time.perf_counter()
        count = after = 0
        while page := await pages.after(after):
            events = runtime.codec.decode_page(page)
            count += len(events)
            after = page[-1].position
        return Rate(count, time.perf_counter() - started)


async def live(
    dsn: str, schema: str, per_second: int, seconds: float, acknowledged: MutableMapping[str, int]
) -> Rate:
    """Latency from the answer of an append to its handler, at a steady rate."""
    watch = Watch()
    domain = Domain("bench-live", aggregates=[CounterAggregate], handlers=[watch])
    answered: dict[int, float] = {}
    handled: dict[int, float] = {}
    order: list[int] = []

    def seen(context: Context) -> None:
        handled[context.position] = time.perf_counter()
        order.append(context.position)

    async with Runtime(domain, store=dsn, schema=schema) as runtime:
        head = await runtime.store.head()
        await runtime.wait(head, timeout=600)
        watch.on_event = seen
        started = time.perf_counter()
        for number in range(int(per_second * seconds)):
            await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
            result = await runtime.dispatch(Add(counter="live", amount=1, note=NOTE))
            answered[result.position] = time.perf_counter()
        acknowledged["counter-live"] = acknowledged.get("counter-live", 0) + len(answered)
        await runtime.wait(max(answered), timeout=60)
        elapsed = time.perf_counter() - started
    if order != sorted(answered):
        raise AssertionError("the handler did not see every event once and in order")
    latencies = [max(0.0, handled[position] - answered[position]) for position in answered]
    return Rate(len(answered), elapsed, latencies)


__all__ = ["catch_up", "commands", "dispatch", "live"]
