"""Commands, catch-up and live delivery inside one process, through nothing but the public API."""

import asyncio
import random
import time
from collections import Counter as Tally
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import uuid4

from benchmarks.domain import NOTE, Add, commands, watching
from benchmarks.measure import Load, Rate, run
from chekov import ChekovError, CommandObservation, Context, Observer, Runtime

LOST = {"WrongExpectedVersion", "TooManyConflicts"}
"""Errors of a command that lost every retry to another process, by name: releases differ."""


@dataclass(frozen=True, slots=True)
class Dispatched:
    """The outcome of one measurement of commands.

    Attributes:
        rate: commands that were acknowledged, with the time they took.
        streams: events acknowledged in each stream.
        refused: attempts that lost every retry to another process; each was dispatched again.
    """

    rate: Rate
    streams: Mapping[str, int]
    refused: int = 0


def aggregates_for(in_flight: int) -> int:
    """How many aggregates a load is spread over; enough for each worker to have its own."""
    return max(200, 4 * in_flight)


async def warm(runtime: Runtime, name: str, aggregates: int) -> Mapping[str, int]:
    """Send one command to each aggregate: a server's aggregates are loaded once and then used.

    Returns:
        The events acknowledged in each stream.
    """
    client = _Client(runtime)
    async with asyncio.TaskGroup() as group:
        for number in range(aggregates):
            group.create_task(client.add(f"{name}-{number}"))
    return client.streams


async def dispatch(runtime: Runtime, load: Load, aggregates: int) -> Dispatched:
    """Send commands at random, each worker to a share of the aggregates of its own.

    So no command waits for another of the same process, and any number of processes with the same
    load name share all aggregates.
    """
    client = _Client(runtime)
    chance = random.Random(load.first)
    share = aggregates // load.in_flight

    async def one(worker: int) -> None:
        number = (worker - load.first) + load.in_flight * chance.randrange(share)
        await client.add(f"{load.name}-{number}")

    rate = await run(load, one)
    return Dispatched(rate, client.streams, client.refused)


async def at_random(runtime: Runtime, load: Load, aggregates: int) -> Dispatched:
    """Send each command to one of all the aggregates, as clients behind a plain Service do.

    Any number of processes with the same load name share all aggregates.
    """
    client = _Client(runtime)
    chance = random.Random(load.first)

    async def one(_worker: int) -> None:
        await client.add(f"{load.name}-{chance.randrange(aggregates)}")

    rate = await run(load, one)
    return Dispatched(rate, client.streams, client.refused)


class Retries(Observer):
    """Counts the executions that were repeated after a version conflict."""

    def __init__(self) -> None:
        self.count = 0

    def command(self, command: str, stream: str) -> CommandObservation:
        return self

    def finish(self, outcome: str, *, events: int, retries: int) -> None:
        self.count += retries


class _Client:
    """Dispatches commands, and counts the events that were acknowledged."""

    def __init__(self, runtime: Runtime) -> None:
        self._dispatch = runtime.dispatch
        self.streams: Tally[str] = Tally()
        self.refused = 0

    async def add(self, counter: str) -> None:
        command = Add(counter=counter, amount=1, note=NOTE)
        while True:
            try:
                result = await self._dispatch(command)
            except ChekovError as error:
                if type(error).__name__ not in LOST:
                    raise
                self.refused += 1
            else:
                self.streams[result.stream] += 1
                return


async def catch_up(dsn: str, schema: str) -> Rate:
    """Deliver everything from the origin to a new event handler, from its first event to its last.

    Raises:
        AssertionError: the handler missed events, or saw them twice or out of order.
    """
    clock = time.perf_counter
    positions: list[int] = []
    times: list[float] = []

    def seen(context: Context) -> None:
        positions.append(context.position)
        times.append(clock())

    domain = watching(f"bench-{uuid4().hex[:8]}", seen)
    async with Runtime(domain, store=dsn, schema=schema) as runtime:
        head = await runtime.store.head()
        await runtime.wait(head, timeout=600)
    if positions[:head] != list(range(1, head + 1)):
        raise AssertionError("the handler did not see every event once and in order")
    return Rate(head - 1, times[head - 1] - times[0], started=times[0])


async def live(
    dsn: str, schema: str, per_second: int, seconds: float, *, apart: bool = False
) -> tuple[Rate, Mapping[str, int]]:
    """Latency from the acknowledgement of an append to its handler, at a steady rate.

    Args:
        dsn: the database.
        schema: of the store.
        per_second: appends.
        seconds: for how long.
        apart: whether the handler has a store of its own, as in another process.

    Returns:
        The latencies, and the events acknowledged in each stream.

    Raises:
        AssertionError: the handler missed events, or saw them twice or out of order.
    """
    streams: Tally[str] = Tally()
    answered: dict[int, float] = {}
    handled: dict[int, float] = {}
    order: list[int] = []
    measuring = False

    def seen(context: Context) -> None:
        if measuring:
            handled[context.position] = time.perf_counter()
            order.append(context.position)

    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        runtime = await enter(Runtime(watching(commands.name, seen), store=dsn, schema=schema))
        sender = runtime
        if apart:
            sender = await enter(Runtime(commands, store=dsn, schema=schema))
        await runtime.wait(await runtime.store.head(), timeout=600)
        measuring = True
        started = time.perf_counter()
        for number in range(int(per_second * seconds)):
            await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
            result = await sender.dispatch(Add(counter="live", amount=1, note=NOTE))
            answered[result.position] = time.perf_counter()
            streams[result.stream] += 1
        await runtime.wait(max(answered), timeout=60)
        elapsed = time.perf_counter() - started
    if order != sorted(answered):
        raise AssertionError("the handler did not see every event once and in order")
    latencies = [max(0.0, handled[position] - answered[position]) for position in answered]
    return Rate(len(answered), elapsed, latencies, started), streams
