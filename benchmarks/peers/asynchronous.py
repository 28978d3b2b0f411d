"""The workloads of every system that is driven with asyncio."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol, TypeAlias

from benchmarks.measure import Load, Rate, run, run_for
from benchmarks.peers.deliveries import Deliveries
from benchmarks.peers.wire import Checked, Measured
from benchmarks.peers.work import (
    CATEGORY,
    MOST_FAULTS,
    Appends,
    Decisions,
    Ledger,
    order_faults,
)

Seen: TypeAlias = Callable[[str, int], None]
Row: TypeAlias = tuple[int, str, int]

WARM_UP = 0.2
SETTLE = 30.0
POLL = 0.01


class Driver(Protocol):
    """One system's client; versions count from 1."""

    contiguous: bool
    """Whether the system promises positions without gaps."""

    async def append(self, stream: str, version: int, events: int) -> None:
        """Append `events` to a stream whose version must be `version`."""
        ...

    async def append_together(self, streams: Sequence[tuple[str, int]]) -> bool:
        """Append one event to each of several streams in one statement; `False` if it cannot."""
        ...

    def pages(self) -> AsyncIterator[int]:
        """Read everything; yields the number of typed events in each page."""
        ...

    def stored(self, after: int) -> AsyncIterator[Sequence[Row]]:
        """Read position, stream and version of every event above a position, in order."""
        ...


class FollowedDriver(Driver, Protocol):
    """One system's client, if the system has aggregates and subscribers."""

    async def decide(self, stream: str) -> None:
        """Load an aggregate, decide, and append one event."""
        ...

    def follow(self, seen: Seen, *, here: bool) -> AbstractAsyncContextManager[object]:
        """Call `seen` with the stream and version of every event, from the next one on.

        With `here`, the subscriber shares the store that appends; otherwise it has its own.
        """
        ...


class ProcessingDriver(FollowedDriver, Protocol):
    """One system's client, if the system has projections and process managers too."""

    async def process(self) -> Rate:
        """Make the steps of process managers, and check them."""
        ...

    async def project(self) -> Rate:
        """Build a table from everything, with one upsert for each event, exactly once.

        Raises:
            HistoryError: the table does not hold each event once and in order.
        """
        ...


class AsyncWorker:
    """Measures a driver, and checks the events that it stored."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._ledger = Ledger()

    async def append(self, load: Load) -> Measured:
        """Append to streams that no two workers share, each with its expected version."""
        names = Appends(load)
        acknowledged = self._ledger.acknowledged
        if await self._driver.append_together([]):
            return await self._append_together(load, names)

        async def one(worker: int) -> None:
            stream = names.next(worker)
            await self._driver.append(stream, acknowledged[stream], load.events)
            acknowledged[stream] += load.events

        if load.count is None:  # two processes are warmed up before they start together
            await run_for(min(WARM_UP, load.seconds), load.in_flight, one, first=load.first)
        return Measured(await run(load, one, weight=load.events))

    async def _append_together(self, load: Load, names: Appends) -> Measured:
        acknowledged = self._ledger.acknowledged

        async def one(_worker: int) -> None:
            streams = [names.next(worker) for worker in range(load.in_flight)]
            await self._driver.append_together([(name, acknowledged[name]) for name in streams])
            for name in streams:
                acknowledged[name] += 1

        await run_for(min(WARM_UP, load.seconds), 1, one)
        return Measured(await run_for(load.seconds, 1, one, weight=load.in_flight))

    async def catch_up(self, seconds: float) -> Measured:
        """Read everything from the origin, or as much as `seconds` allow."""
        started = time.perf_counter()
        count = 0
        whole = True
        async for events in self._driver.pages():
            count += events
            if time.perf_counter() - started > seconds:
                whole = count == self._ledger.total
                break
        rate = Rate(count, time.perf_counter() - started)
        missed = self._ledger.total - count
        faults = [f"{missed} of {self._ledger.total} events were not read"] if missed else []
        return Measured(rate, faults if whole else ())

    async def check(self) -> Checked:
        """Compare the events stored since the last check with those acknowledged."""
        ledger = self._ledger
        faults: list[str] = []
        async for rows in self._driver.stored(ledger.position):
            faults += ledger.check(rows, contiguous=self._driver.contiguous)
        faults += ledger.missing()
        return Checked(ledger.stored, ledger.total, faults[:MOST_FAULTS])

    def acknowledged(self) -> Mapping[str, int]:
        return self._ledger.acknowledged

    def merge(self, streams: Mapping[str, int]) -> None:
        self._ledger.merge(streams)


class FollowedWorker(AsyncWorker):
    """Measures decisions and subscribers as well."""

    def __init__(self, driver: FollowedDriver) -> None:
        super().__init__(driver)
        self._followed = driver

    async def decide(self, load: Load) -> Measured:
        """Decide on aggregates of a few events."""
        names = Decisions(load)
        acknowledged = self._ledger.acknowledged

        async def one(worker: int) -> None:
            stream = names.next(worker)
            await self._followed.decide(stream)
            acknowledged[stream] += 1

        await run_for(min(WARM_UP, load.seconds), load.in_flight, one)
        return Measured(await run(load, one))

    async def live(self, load: Load, per_second: int, *, here: bool) -> Measured:
        """Time from the call of an append to that of the subscriber, one append after another."""
        watch = _Watch(f"{CATEGORY}-{load.name}-0-0")
        async with self._followed.follow(watch.note, here=here):
            # One unmeasured event first: once it is seen, the subscriber is live.
            await self._append_one(f"{CATEGORY}-{load.name}-0-1")
            await asyncio.wait_for(watch.following.wait(), SETTLE)
            started = time.perf_counter()
            for number in range(int(per_second * load.seconds)):
                now = time.perf_counter()
                if now - started > load.seconds * 2:
                    break
                await asyncio.sleep(max(0.0, started + number / per_second - now))
                watch.call()
                await self._append_one(watch.stream)
            elapsed = time.perf_counter() - started
            with suppress(TimeoutError):
                await asyncio.wait_for(watch.arrived.wait(), SETTLE)
        return watch.measured(elapsed)

    async def live_busy(self, load: Load) -> Measured:
        """Append concurrently while a subscriber follows, which must see each event once."""
        deliveries, names = Deliveries(), Appends(load)
        acknowledged = self._ledger.acknowledged

        async def one(worker: int) -> None:
            stream = names.next(worker)
            deliveries.call(stream, acknowledged[stream] + 1)
            await self._append_one(stream)

        async with self._followed.follow(deliveries.note, here=True):
            await self._append_one(f"{CATEGORY}-{load.name}-0-first")
            await asyncio.wait_for(_until(lambda: deliveries.attached), SETTLE)
            await run_for(load.seconds, load.in_flight, one)
            await _until(deliveries.are_over)
        return deliveries.measured()

    async def _append_one(self, stream: str) -> None:
        await self._driver.append(stream, self._ledger.acknowledged[stream], 1)
        self._ledger.acknowledged[stream] += 1

    async def idle(self, seconds: float) -> None:
        """Keep a subscriber attached while nothing is appended."""
        async with self._followed.follow(lambda _stream, _version: None, here=True):
            await asyncio.sleep(seconds)


class ProcessingWorker(FollowedWorker):
    """Measures projections and process managers as well."""

    def __init__(self, driver: ProcessingDriver) -> None:
        super().__init__(driver)
        self._processing = driver

    async def project(self, seconds: float) -> Measured:
        """Build the table of a projection from the origin, whatever time it takes."""
        del seconds
        rate = await self._processing.project()
        missed = self._ledger.total - rate.count
        return Measured(rate, [f"{missed} events are not in the table"] if missed else ())

    async def process(self, seconds: float) -> Measured:
        """Make the steps of process managers, whatever time it takes."""
        del seconds
        return Measured(await self._processing.process())


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 it also depends on the time that passed
        await asyncio.sleep(POLL)


class _Watch:
    """Pairs the calls of appends with those of the subscriber."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.following = asyncio.Event()
        self.arrived = asyncio.Event()
        self._called: list[float] = []
        self._seen: list[tuple[int, float]] = []

    def call(self) -> None:
        self.arrived.clear()
        self._called.append(time.perf_counter())

    def note(self, stream: str, version: int) -> None:
        self.following.set()
        if stream == self.stream:
            self._seen.append((version, time.perf_counter()))
            if len(self._seen) >= len(self._called):
                self.arrived.set()

    def measured(self, elapsed: float) -> Measured:
        latencies = [at - self._called[version - 1] for version, at in self._seen]
        faults = order_faults([version for version, _ in self._seen], len(self._called))
        return Measured(Rate(len(self._called), elapsed, latencies), faults)
