"""Interleaved rounds: each workload goes through all systems before the next one starts."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from benchmarks.cores import apart
from benchmarks.measure import Rate
from benchmarks.peers.install import InstallError
from benchmarks.peers.process import WorkerError, WorkerProcess, started
from benchmarks.peers.systems import System
from benchmarks.peers.wire import Answer
from benchmarks.peers.workloads import Workload

# A backend tells its transactions up to ten seconds late.
IDLE_SETTLE = 12.0
IDLE = 10.0
CATCH_UP_TIMES = 3
FOLLOWED = "live"

T = TypeVar("T")
Key = tuple[str, str]
Connection: TypeAlias = "asyncpg.Connection[Any]"


@dataclass(slots=True)
class Outcome:
    """What a run found.

    Attributes:
        rates: (workload, system) → one rate a round.
        faults: (workload, system) → what was lost, doubled or out of order, or how it failed.
        notes: (workload, system) → what a reader of the figure has to know.
        stored: system → events that were stored and compared with what was acknowledged.
        idle: system → transactions a second while nothing happened.
        absent: system → why it could not take part.
    """

    rates: defaultdict[Key, list[Rate]] = field(default_factory=lambda: defaultdict(list))
    faults: defaultdict[Key, list[str]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[Key, str] = field(default_factory=dict[Key, str])
    stored: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    idle: dict[str, float] = field(default_factory=dict[str, float])
    absent: dict[str, str] = field(default_factory=dict[str, str])

    def is_faulty(self, system: str) -> bool:
        """Whether anything at all was wrong with a system."""
        faulty = {name for (_, name), faults in self.faults.items() if faults}
        return system in faulty or system in self.absent


def turned(items: Sequence[T], number: int) -> Sequence[T]:
    """The items in the order of a round: each time another one is first."""
    first = number % len(items)
    return [*items[first:], *items[:first]]


class Rounds:
    """Runs the workloads on one Postgres server.

    Args:
        dsn: a database of the server, by a role that may create databases.
        server: its main process, if it is ours.
        seconds: how long each measurement lasts.
        say: is told what happens next.
    """

    def __init__(
        self, dsn: str, server: int | None, seconds: float, say: Callable[[str], None]
    ) -> None:
        self._dsn = dsn
        self._server = server
        self._seconds = seconds
        self._say = say
        self._round = ""
        self.outcome = Outcome()

    async def run(
        self, number: int, systems: Sequence[System], workloads: Sequence[Workload], *, idle: bool
    ) -> None:
        """One round, in databases of its own; `number` turns the order of the systems."""
        order = turned(systems, number)
        self._round = f"round {number + 1}"
        async with self._bench(order) as bench:
            await self._all(bench, order, [item for item in workloads if item.is_followed])
            if idle:
                await self._idle(bench, order)
            await self._all(bench, order, [item for item in workloads if not item.is_followed])

    @asynccontextmanager
    async def _bench(self, systems: Sequence[System]) -> AsyncGenerator["Bench"]:
        """A fresh database and a worker for each system."""
        async with AsyncExitStack() as stack:
            admin = await asyncpg.connect(self._dsn)
            stack.push_async_callback(admin.close)
            bench = Bench(admin, {})
            for system in systems:
                self._say(f"{self._round}: starting {system.title}")
                dsn = await stack.enter_async_context(
                    fresh_database(admin, self._dsn, system.database)
                )
                try:
                    worker = started(system.title, await system.command(dsn))
                    bench.workers[system.name] = await stack.enter_async_context(worker)
                except (InstallError, WorkerError) as error:
                    self.outcome.absent[system.name] = str(error)
            yield bench

    async def _all(
        self, bench: "Bench", systems: Sequence[System], workloads: Sequence[Workload]
    ) -> None:
        for workload in workloads:
            for system in systems:
                if workload.name in system.workloads and system.name in bench.workers:
                    self._say(f"{self._round}: {workload.title}: {system.title}")
                    await bench.admin.execute("checkpoint")
                    await self._measure(bench.workers, system, workload)

    async def _measure(
        self, workers: dict[str, WorkerProcess], system: System, workload: Workload
    ) -> None:
        key = workload.name, system.name
        worker = workers[system.name]
        name = workload.name.replace(" ", "_")
        seconds = self._seconds * (CATCH_UP_TIMES if workload.do == "catch_up" else 1)
        try:
            with apart(worker.pid, self._server if workload.is_lone else None):
                answer = await worker.ask(workload.do, seconds, name=name, **workload.given)
            checked = await worker.ask("check")
        except WorkerError as error:
            self.outcome.faults[key].append(str(error))
            del workers[system.name]
            return
        self._note(key, answer, checked)

    def _note(self, key: Key, answer: Answer, checked: Answer) -> None:
        outcome = self.outcome
        latencies = [value / 1e6 for value in answer.get("latencies", ())]
        rate = Rate(answer.get("count", 0), answer.get("seconds", 0.0), latencies)
        outcome.rates[key].append(rate)
        outcome.faults[key] += [*answer.get("faults", ()), *checked.get("faults", ())]
        if note := answer.get("note"):
            outcome.notes[key] = note
        stored = checked.get("stored", 0)
        if stored != checked.get("acknowledged"):
            outcome.faults[key].append(
                f"{checked.get('acknowledged')} acknowledged, {stored} stored"
            )
        outcome.stored[key[1]] = max(outcome.stored[key[1]], stored)

    async def _idle(self, bench: "Bench", systems: Sequence[System]) -> None:
        followed = [
            item for item in systems if FOLLOWED in item.workloads and item.name in bench.workers
        ]
        self._say(f"{self._round}: counting transactions while nothing happens")
        async with asyncio.TaskGroup() as group:
            for system in followed:
                worker = bench.workers[system.name]
                group.create_task(worker.ask("idle", IDLE_SETTLE + IDLE + 1))
            await asyncio.sleep(IDLE_SETTLE)
            before = await _transactions(bench.admin)
            await asyncio.sleep(IDLE)
            after = await _transactions(bench.admin)
        for system in followed:
            count = after[system.database] - before[system.database]
            self.outcome.idle[system.name] = count / IDLE


@dataclass(frozen=True, slots=True)
class Bench:
    """What a round works with.

    Attributes:
        admin: a connection to the server, outside of the systems' databases.
        workers: system → its worker, as long as it has not failed.
    """

    admin: Connection
    workers: dict[str, WorkerProcess]


async def _transactions(admin: Connection) -> dict[str, int]:
    rows = await admin.fetch(
        "select datname, xact_commit + xact_rollback as count from pg_stat_database"
        " where datname like 'peers_%'"
    )
    return {row["datname"]: row["count"] for row in rows}


@asynccontextmanager
async def fresh_database(admin: Connection, dsn: str, name: str) -> AsyncGenerator[str]:
    """An empty database of this name, dropped when the block ends; gives its DSN."""
    await admin.execute(f'drop database if exists "{name}" with (force)')
    await admin.execute(f'create database "{name}"')
    try:
        yield urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
    finally:
        await admin.execute(f'drop database if exists "{name}" with (force)')
