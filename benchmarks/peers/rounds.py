"""Interleaved rounds: each workload goes through all systems before the next one starts."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

import asyncpg

from benchmarks.cores import apart
from benchmarks.lines import Answer, rate_of
from benchmarks.measure import Rate
from benchmarks.peers.asynchronous import WARM_UP
from benchmarks.peers.install import InstallError
from benchmarks.peers.systems import System
from benchmarks.peers.workloads import Workload
from benchmarks.postgres import Connection, fresh_database
from benchmarks.process import SETTLE, WorkerError, WorkerProcess, halves, share, started

# A backend reports its transactions up to ten seconds late.
IDLE_SETTLE = 12.0
IDLE = 10.0
CATCH_UP_TIMES = 3
WHOLE_LOG = frozenset({"catch_up", "project", "process"})
FOLLOWED = "live"

T = TypeVar("T")
Key = tuple[str, str]
Column: TypeAlias = Literal["idle", "two"]
COLUMNS: tuple[Column, ...] = ("idle", "two")


@dataclass(slots=True)
class Outcome:
    """The results of a run.

    Attributes:
        rates: (workload, system) → one rate a round.
        columns: (workload, system) and column → one rate a round with a second process: attached
            and idle, or sharing the load.
        faults: (workload, system) → events lost, duplicated or out of order, or the failure.
        notes: (workload, system) → what a reader of the figure has to know.
        stored: system → events that were stored and compared with those acknowledged.
        idle: system → transactions a second while nothing happened.
        absent: system → why it could not take part.
    """

    rates: defaultdict[Key, list[Rate]] = field(default_factory=lambda: defaultdict(list))
    columns: defaultdict[tuple[Key, Column], list[Rate]] = field(
        default_factory=lambda: defaultdict(list)
    )
    faults: defaultdict[Key, list[str]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[Key, str] = field(default_factory=dict[Key, str])
    stored: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    idle: dict[str, float] = field(default_factory=dict[str, float])
    absent: dict[str, str] = field(default_factory=dict[str, str])

    def is_faulty(self, system: str) -> bool:
        """Whether a check found a fault, or the system failed or could not take part."""
        faulty = {name for (_, name), faults in self.faults.items() if faults}
        return system in faulty or system in self.absent

    def note(self, key: Key, answer: Answer, checked: Answer) -> None:
        """Add one process's rate of one round, with its check."""
        self.rates[key].append(rate_of(answer))
        self.faults[key] += answer.get("faults", ())
        if note := answer.get("note"):
            self.notes[key] = note
        self.note_check(key, checked)

    def note_check(self, key: Key, checked: Answer) -> None:
        """Add the faults that a check found."""
        stored, acknowledged = checked.get("stored", 0), checked.get("acknowledged")
        self.faults[key] += checked.get("faults", ())
        if stored != acknowledged:
            self.faults[key].append(f"{acknowledged} acknowledged, {stored} stored")
        self.stored[key[1]] = max(self.stored[key[1]], stored)


def turned(items: Sequence[T], number: int) -> Sequence[T]:
    """The items in the order of a round: each round starts with another one."""
    first = number % len(items)
    return [*items[first:], *items[:first]]


@dataclass(frozen=True, slots=True)
class Running:
    """A system in a round.

    Attributes:
        command: starts its worker.
        worker: its process.
    """

    system: System
    command: tuple[str, ...]
    worker: WorkerProcess


@dataclass(frozen=True, slots=True)
class Bench:
    """The processes of a round.

    Attributes:
        admin: a connection to the server, outside of the systems' databases.
        running: system → its process, unless it has failed.
    """

    admin: Connection
    running: dict[str, Running]


class Rounds:
    """Runs the workloads on one Postgres server.

    Args:
        dsn: a database of the server, as a role that may create databases.
        server: its main process, if it may be pinned to cores.
        seconds: how long each measurement lasts.
        say: reports progress.
        two: whether to measure with a second process as well.
    """

    def __init__(
        self,
        dsn: str,
        server: int | None,
        seconds: float,
        say: Callable[[str], None],
        *,
        two: bool,
    ) -> None:
        self._dsn = dsn
        self._server = server
        self._seconds = seconds
        self._say = say
        self._two = two
        self._round = ""
        self.outcome = Outcome()

    async def run(
        self, number: int, systems: Sequence[System], workloads: Sequence[Workload], *, idle: bool
    ) -> None:
        """One round, in databases of its own; `number` rotates the order of the systems."""
        order = turned(systems, number)
        self._round = f"round {number + 1}"
        async with self._bench(order) as bench:
            await self._all(bench, order, [item for item in workloads if item.is_followed])
            if idle:
                await self._idle(bench, order)
            await self._all(bench, order, [item for item in workloads if not item.is_followed])

    @asynccontextmanager
    async def _bench(self, systems: Sequence[System]) -> AsyncGenerator[Bench]:
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
                    command = await system.command(dsn)
                    worker = await stack.enter_async_context(started(system.title, command))
                    bench.running[system.name] = Running(system, command, worker)
                except (InstallError, WorkerError) as error:
                    self.outcome.absent[system.name] = str(error)
            yield bench

    async def _all(
        self, bench: Bench, systems: Sequence[System], workloads: Sequence[Workload]
    ) -> None:
        for workload in workloads:
            for system in systems:
                if workload.name in system.workloads and system.name in bench.running:
                    self._say(f"{self._round}: {workload.title}: {system.title}")
                    await bench.admin.execute("checkpoint")
                    await self._measure(bench, system, workload)

    async def _measure(self, bench: Bench, system: System, workload: Workload) -> None:
        running = bench.running[system.name]
        try:
            count = await self._one(running, workload)
            if self._two and workload.has_two_processes and not system.one_process:
                await bench.admin.execute("checkpoint")
                await self._with_second(running, workload, count)
        except* WorkerError as group:
            self.outcome.faults[workload.name, system.name] += [
                str(error) for error in group.exceptions
            ]
            del bench.running[system.name]

    async def _one(self, running: Running, workload: Workload) -> int:
        """Measure one process; returns the number of its operations."""
        worker = running.worker
        name = workload.name.replace(" ", "_")
        seconds = self._seconds * (CATCH_UP_TIMES if workload.do in WHOLE_LOG else 1)
        with apart([worker.pid], self._server if workload.is_lone else None):
            answer = await worker.ask(workload.do, seconds, name=name, **workload.given)
        checked = await worker.ask("check")
        self.outcome.note((workload.name, running.system.name), answer, checked)
        return answer.get("count", 0)

    async def _with_second(self, running: Running, workload: Workload, count: int) -> None:
        """Measure beside an idle second process, then let both share as many operations."""
        first, system = running.worker, running.system
        command = (*running.command, *system.second)
        async with started(f"{system.title}, second process", command) as second:
            await asyncio.sleep(SETTLE)
            with apart([first.pid, second.pid], self._server if workload.is_lone else None):
                await self._beside_idle(first, system, workload)
                await self._share((first, second), system, workload, count)
        await asyncio.sleep(SETTLE)

    async def _beside_idle(self, first: WorkerProcess, system: System, workload: Workload) -> None:
        key = workload.name, system.name
        name = f"{workload.name}_idle".replace(" ", "_")
        answer = await first.ask(workload.do, self._seconds, name=name, **workload.given)
        self.outcome.columns[key, "idle"].append(rate_of(answer))
        self.outcome.note_check(key, await first.ask("check"))

    async def _share(
        self,
        workers: tuple[WorkerProcess, WorkerProcess],
        system: System,
        workload: Workload,
        count: int,
    ) -> None:
        key = workload.name, system.name
        given = {"name": f"{workload.name}_two".replace(" ", "_")}
        in_flight = int(workload.given["in_flight"])
        await _warm_up(workers, workload.do, in_flight, given["name"])
        rate, _ = await share(
            workers, workload.do, count=count, in_flight=in_flight, given=(given, given)
        )
        self.outcome.columns[key, "two"].append(rate)
        first, second = workers
        acknowledged = await second.ask("acknowledged")
        await first.ask("merge", streams=acknowledged.get("streams", {}))
        self.outcome.note_check(key, await first.ask("check"))

    async def _idle(self, bench: Bench, systems: Sequence[System]) -> None:
        followed = [
            item for item in systems if FOLLOWED in item.workloads and item.name in bench.running
        ]
        self._say(f"{self._round}: counting transactions while nothing happens")
        async with asyncio.TaskGroup() as group:
            for system in followed:
                worker = bench.running[system.name].worker
                group.create_task(worker.ask("idle", IDLE_SETTLE + IDLE + 1))
            await asyncio.sleep(IDLE_SETTLE)
            before = await _transactions(bench.admin)
            await asyncio.sleep(IDLE)
            after = await _transactions(bench.admin)
        for system in followed:
            count = after[system.database] - before[system.database]
            self.outcome.idle[system.name] = count / IDLE


async def _warm_up(
    workers: tuple[WorkerProcess, WorkerProcess], do: str, in_flight: int, name: str
) -> None:
    loads = halves(in_flight)
    async with asyncio.TaskGroup() as group:
        for number, worker in enumerate(workers):
            group.create_task(
                worker.ask(do, WARM_UP, name=name, in_flight=loads[number], first=loads[0] * number)
            )


async def _transactions(admin: Connection) -> dict[str, int]:
    rows = await admin.fetch(
        "select datname, xact_commit + xact_rollback as count from pg_stat_database"
        " where datname like 'peers_%'"
    )
    return {row["datname"]: row["count"] for row in rows}
