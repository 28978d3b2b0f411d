"""The rows of a comparison, measured in the processes of one checkout."""

import asyncio
from collections import Counter as Tally
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from benchmarks.cores import apart
from benchmarks.in_process import aggregates_for
from benchmarks.lines import Answer, rate_of
from benchmarks.measure import Rate
from benchmarks.peers.workloads import WORKLOADS
from benchmarks.process import SETTLE, WorkerProcess, started
from benchmarks.report import EMPTY_HANDLER, TITLES
from benchmarks.two_processes import COLUMNS, Columns, TwoProcesses

RUNTIME_ROWS = (
    "live",
    "commands 1",
    "commands 16",
    "commands 64",
    "commands 256",
    "http 64",
    "catch-up",
)
TWO_ROWS = ("two 16", "two 64")
STORE_ROWS = (
    "store live",
    "store decide 16",
    "store append 1",
    "store append 16",
    "store append 64",
    "store append 256",
    "store append 100",
)

SLICES = 4
"""Alternating parts of one measurement: the shorter they are, the less a drift matters."""
SLICES_OF = {"live": 2, "catch-up": 2, "store live": 2, **dict.fromkeys(TWO_ROWS, 1)}
"""Fewer where each part starts a runtime or a process."""
Measure: TypeAlias = Callable[[float], Awaitable[Mapping[str, Rate]]]
"""Measures for a number of seconds; returns rates by the name of the figure."""


class CompareError(Exception):
    """A checkout cannot be measured, or stored something other than it acknowledged."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two checkouts.

    Attributes:
        name: what messages call it.
        root: the checkout, with its environment in `.venv`.
    """

    name: str
    root: Path

    @asynccontextmanager
    async def worker(self, module: str, dsn: str) -> AsyncGenerator[WorkerProcess]:
        """Run a worker of this checkout's benchmarks with the code of the side.

        Raises:
            CompareError: there is no environment, or it holds the code of another checkout.
        """
        python = self.root / ".venv" / "bin" / "python"
        if not python.exists():
            raise CompareError(f"{self.root} has no environment: run `make dev` there")
        async with started(self.name, (str(python), "-m", module, dsn)) as worker:
            code = Path(str(worker.announced["chekov"]))
            if not code.is_relative_to(self.root):
                raise CompareError(f"the environment of {self.root} runs {code}")
            yield worker


class Rows(Protocol):
    """One side's processes in one round."""

    def ready(self, row: str) -> AbstractAsyncContextManager[Measure]:
        """Prepare a row; yields what measures it for a number of seconds, as often as called."""
        ...

    async def check(self) -> None:
        """Compare the whole history with the events acknowledged.

        Raises:
            CompareError: events are missing, duplicated or out of order.
        """
        ...


@dataclass(frozen=True, slots=True)
class RuntimeRows:
    """Commands, HTTP, catch-up and live delivery.

    Attributes:
        workers: of which the second takes part in two-process rows only.
        server: the main process of Postgres, if it may be pinned to cores.
    """

    workers: tuple[WorkerProcess, WorkerProcess]
    server: int | None

    @asynccontextmanager
    async def ready(self, row: str) -> AsyncGenerator[Measure]:
        kind, _, number = row.partition(" ")
        worker = self.workers[0]
        match kind:
            case "commands":
                yield await self._commands(int(number))
            case "http":
                await worker.ask("serve")
                yield self._asking(f"HTTP, {number} connections", "http", connections=int(number))
            case "live":
                yield self._asking("append to handler", "live", per_second=1000)
            case "catch-up":
                yield self._asking(EMPTY_HANDLER, "catch_up")
            case _:
                yield await self._two_processes(int(number))
        await worker.ask("detach")

    def _asking(self, title: str, do: str, *, lone: bool = False, **given: Any) -> Measure:
        worker = self.workers[0]

        async def measure(seconds: float) -> Mapping[str, Rate]:
            with apart([worker.pid], self.server if lone else None):
                return {title: rate_of(await worker.ask(do, seconds, **given))}

        return measure

    async def _commands(self, in_flight: int) -> Measure:
        given: dict[str, Any] = {
            "name": f"one-{in_flight}",
            "aggregates": aggregates_for(in_flight),
        }
        await self._attach()
        await self.workers[0].ask("warm", **given)
        title = f"commands, {in_flight} in flight"
        return self._asking(title, "dispatch", lone=in_flight == 1, in_flight=in_flight, **given)

    async def _two_processes(self, in_flight: int) -> Measure:
        await self._attach()

        async def measure(seconds: float) -> Mapping[str, Rate]:
            columns = Columns()
            two = TwoProcesses(self.workers, self.server, columns, Tally())
            await two.measure(f"two-{in_flight}", in_flight, seconds)
            return {
                f"commands, {in_flight} in flight, {TITLES[column]}": rate
                for column in COLUMNS[1:]
                for rate in columns.rates[in_flight, column]
            }

        return measure

    async def _attach(self) -> None:
        await self.workers[0].ask("attach")
        # The listener of the runtime before may still have been connected when this one looked.
        await asyncio.sleep(SETTLE)

    async def check(self) -> None:
        first, second = self.workers
        other = await second.ask("acknowledged")
        await first.ask("attach")
        await first.ask("check", streams=other.get("streams", {}))


@dataclass(frozen=True, slots=True)
class StoreRows:
    """The rows of `make bench-peers`, for chekov only.

    Attributes:
        worker: the process.
        server: the main process of Postgres, if it may be pinned to cores.
    """

    worker: WorkerProcess
    server: int | None

    @asynccontextmanager
    async def ready(self, row: str) -> AsyncGenerator[Measure]:
        workload = next(item for item in WORKLOADS if item.name == row.removeprefix("store "))
        calls = count()

        async def measure(seconds: float) -> Mapping[str, Rate]:
            name = f"{workload.name}_{next(calls)}".replace(" ", "_")
            with apart([self.worker.pid], self.server if workload.is_lone else None):
                answer = await self.worker.ask(workload.do, seconds, name=name, **workload.given)
            self._refuse_faults(answer)
            return {row: rate_of(answer)}

        yield measure
        await self.check()

    async def check(self) -> None:
        checked = await self.worker.ask("check")
        self._refuse_faults(checked)
        stored, acknowledged = checked.get("stored"), checked.get("acknowledged")
        if stored != acknowledged:
            raise CompareError(f"{self.worker.name}: {acknowledged} acknowledged, {stored} stored")

    def _refuse_faults(self, answer: Answer) -> None:
        for fault in answer.get("faults", ()):
            raise CompareError(f"{self.worker.name}: {fault}")


@asynccontextmanager
async def runtime_rows(side: Side, dsn: str, server: int | None) -> AsyncGenerator[Rows]:
    """Start one side's processes for the runtime's rows."""
    async with (
        side.worker("benchmarks.worker", dsn) as first,
        side.worker("benchmarks.worker", dsn) as second,
    ):
        yield RuntimeRows((first, second), server)


@asynccontextmanager
async def store_rows(side: Side, dsn: str, server: int | None) -> AsyncGenerator[Rows]:
    """Start one side's process for the store's rows."""
    async with side.worker("benchmarks.peers.workers.chekov", dsn) as worker:
        yield StoreRows(worker, server)
