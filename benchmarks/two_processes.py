"""Commands with a second process at the store: attached and idle, and sharing the load."""

import asyncio
import sys
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from benchmarks.cores import apart
from benchmarks.in_process import aggregates_for
from benchmarks.lines import Answer, rate_of
from benchmarks.measure import Rate
from benchmarks.process import SETTLE, WorkerProcess, share, started

Column: TypeAlias = Literal["one", "idle", "shared", "separate"]
COLUMNS: tuple[Column, ...] = ("one", "idle", "shared", "separate")
Pair: TypeAlias = tuple[WorkerProcess, WorkerProcess]


@dataclass(slots=True)
class Columns:
    """The rates of each number in flight, one a round.

    Attributes:
        rates: (in flight, column) → one rate a round.
        refused: (in flight, column) → attempts that lost every retry to the other process.
    """

    rates: defaultdict[tuple[int, Column], list[Rate]] = field(
        default_factory=lambda: defaultdict(list)
    )
    refused: Tally[tuple[int, Column]] = field(default_factory=Tally[tuple[int, Column]])


@asynccontextmanager
async def processes(dsn: str, schema: str) -> AsyncGenerator[Pair]:
    """Two worker processes, neither of which is attached to the store yet."""
    command = (sys.executable, "-m", "benchmarks.worker", dsn, "--schema", schema)
    async with (
        started("the first process", command) as first,
        started("the second process", command) as second,
    ):
        yield first, second


class TwoProcesses:
    """Measures the columns of one number in flight after the other.

    Args:
        workers: of which the first is attached.
        server: the main process of Postgres, if it may be pinned to cores.
        columns: where the rates go.
        acknowledged: where the events acknowledged in each stream go.
    """

    def __init__(
        self,
        workers: Pair,
        server: int | None,
        columns: Columns,
        acknowledged: Tally[str],
    ) -> None:
        self._workers = workers
        self._server = server
        self._columns = columns
        self._acknowledged = acknowledged

    async def measure(self, name: str, in_flight: int, seconds: float) -> None:
        """Measure one process for a time, then the same number of operations by two."""
        first, second = self._workers
        aggregates = aggregates_for(in_flight)
        await self._warm(first, name, aggregates)
        with apart([first.pid, second.pid], self._server if in_flight == 1 else None):
            count = await self._alone("one", name, in_flight, seconds)
            await second.ask("attach")
            await asyncio.sleep(SETTLE)
            await self._alone("idle", name, in_flight, seconds)
            await self._warm(second, name, aggregates)
            await self._share("shared", (name, name), in_flight, count, aggregates)
            names = f"{name}-first", f"{name}-second"
            for worker, own in zip(self._workers, names, strict=True):
                await self._warm(worker, own, aggregates // 2)
            await self._share("separate", names, in_flight, count, aggregates // 2)
        await second.ask("detach")
        await asyncio.sleep(SETTLE)

    async def _warm(self, worker: WorkerProcess, name: str, aggregates: int) -> None:
        self._acknowledge(await worker.ask("warm", name=name, aggregates=aggregates))

    async def _alone(self, column: Column, name: str, in_flight: int, seconds: float) -> int:
        answer = await self._workers[0].ask(
            "dispatch",
            seconds,
            name=name,
            in_flight=in_flight,
            aggregates=aggregates_for(in_flight),
        )
        self._note((in_flight, column), rate_of(answer), [answer])
        return answer.get("count", 0)

    async def _share(
        self,
        column: Column,
        names: tuple[str, str],
        in_flight: int,
        count: int,
        aggregates: int,
    ) -> None:
        first, second = ({"name": name, "aggregates": aggregates} for name in names)
        rate, answers = await share(
            self._workers, "dispatch", count=count, in_flight=in_flight, given=(first, second)
        )
        self._note((in_flight, column), rate, answers)

    def _note(self, key: tuple[int, Column], rate: Rate, answers: list[Answer]) -> None:
        self._columns.rates[key].append(rate)
        for answer in answers:
            self._columns.refused[key] += answer.get("refused", 0)
            self._acknowledge(answer)

    def _acknowledge(self, answer: Answer) -> None:
        self._acknowledged.update(answer.get("streams", {}))
