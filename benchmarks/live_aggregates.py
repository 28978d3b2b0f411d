"""Commands to one of 100,000 live aggregates, beside commands to one of a few.

Two processes have stores of the same size in one database. One keeps every aggregate in memory, the
other only a few, so that the difference is what the many cost: their place in memory, the garbage
collector that looks at them, and the order in which they would be dropped.
`python -m benchmarks.live_aggregates` measures it alone.
"""

import argparse
import sys
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import uvloop

from benchmarks import history
from benchmarks.domain import commands
from benchmarks.lines import Answer, rate_of
from benchmarks.measure import Rate, median, ratio
from benchmarks.postgres import postgres
from benchmarks.process import WorkerProcess, started
from benchmarks.report import Figure
from chekov import Runtime

MANY: Final = 100_000
FEW: Final = 256
IN_FLIGHT: Final = (16, 64)
PARTS: Final = 10
NAME: Final = "live"
MOST_MIB: Final = 300
MIB: Final = 1024 * 1024

Which: TypeAlias = Literal["many", "few"]
BOTH: Final[tuple[Which, Which]] = ("many", "few")


@dataclass(slots=True)
class Live:
    """What a run found.

    Attributes:
        aggregates: live in the one process.
        rates: which process and how many in flight → the rate of each part.
        cpu: the same → processor seconds of the process.
        filled: the rates at which the aggregates were created.
        before, after, last: what the process with the many takes: empty, with all aggregates, and
            after the commands that were sent to them.
        events: in the two histories that were checked.
    """

    aggregates: int
    rates: defaultdict[tuple[Which, int], list[Rate]] = field(
        default_factory=lambda: defaultdict(list)
    )
    cpu: defaultdict[tuple[Which, int], float] = field(default_factory=lambda: defaultdict(float))
    filled: dict[Which, Rate] = field(default_factory=dict[Which, Rate])
    before: Answer = field(default_factory=Answer)
    after: Answer = field(default_factory=Answer)
    last: Answer = field(default_factory=Answer)
    events: int = 0

    @property
    def grown(self) -> float:
        """Resident bytes for each aggregate."""
        return (self.after.get("resident", 0) - self.before.get("resident", 0)) / self.aggregates

    @property
    def estimated(self) -> float:
        """What the cache takes for the bytes of each aggregate."""
        return self.after.get("estimated", 0) / self.aggregates

    def rows(self) -> dict[str, list[Rate]]:
        """The rates as rows of the table."""
        names = {"many": f"one of {self.aggregates:,} live", "few": f"one of {FEW} live"}
        return {
            f"commands to {names[which]}, {in_flight} in flight": rates
            for (which, in_flight), rates in self.rates.items()
        }

    def figures(self) -> list[Figure]:
        """Speed and memory, with their bars."""
        total = f"{self.aggregates:,} live aggregates"
        return [
            *(self._speed(in_flight) for in_flight in IN_FLIGHT),
            *(self._cpu(in_flight) for in_flight in IN_FLIGHT),
            Figure(f"{total}, still in memory", self.last.get("live", 0), self.aggregates),
            Figure(
                f"{total}, resident MiB", self.last.get("resident", 0) / MIB, MOST_MIB, at_most=True
            ),
            Figure("the same process before, resident MiB", self.before.get("resident", 0) / MIB),
            Figure("bytes of a live aggregate, resident", self.grown),
            Figure("bytes of a live aggregate, as estimated", self.estimated),
            Figure(
                "created: all stay live / all but a few are dropped",
                self.filled["many"].per_second / self.filled["few"].per_second,
            ),
        ]

    def _speed(self, in_flight: int) -> Figure:
        value = ratio(self.rates["many", in_flight], self.rates["few", in_flight]) or 0.0
        return Figure(f"{self.aggregates:,} live / {FEW}, {in_flight} in flight", value)

    def _cpu(self, in_flight: int) -> Figure:
        many, few = (
            self.cpu[which, in_flight] / sum(rate.count for rate in self.rates[which, in_flight])
            for which in BOTH
        )
        return Figure(f"processor time of a command, the same, {in_flight} in flight", many / few)


async def measure(dsn: str, seconds: float, aggregates: int = MANY) -> Live:
    """Fill both stores, send commands in turn, and check both histories.

    Args:
        dsn: the database.
        seconds: of each rate, in parts that alternate.
        aggregates: how many are live.

    Raises:
        HistoryError: events are missing, duplicated or out of order.
    """
    found = Live(aggregates)
    acknowledged = {
        which: Tally(dict.fromkeys(_streams(aggregates), 1)) for which in BOTH
    }  # a command each, to fill the store
    async with _worker(dsn, "many", aggregates) as many, _worker(dsn, "few", FEW) as few:
        workers: dict[Which, WorkerProcess] = {"many": many, "few": few}
        found.before = await many.ask("usage", collect=True)
        for which, worker in workers.items():
            answer = await worker.ask("fill", name=NAME, aggregates=aggregates)
            found.filled[which] = rate_of(answer)
        found.after = await many.ask("usage", collect=True)
        answer = await few.ask("warm", name=NAME, aggregates=FEW)
        acknowledged["few"].update(answer.get("streams", {}))
        for number in range(PARTS):
            for in_flight in IN_FLIGHT:
                for which in BOTH if number % 2 else reversed(BOTH):
                    live = aggregates if which == "many" else FEW
                    streams = await _part(
                        found, (which, in_flight), workers[which], seconds / PARTS, live
                    )
                    acknowledged[which].update(streams)
        found.last = await many.ask("usage", collect=True)
    for which in BOTH:
        async with Runtime(commands, store=dsn, schema=_schema(which)) as runtime:
            found.events += await history.check(runtime.store, acknowledged[which])
    return found


async def _part(
    found: Live, key: tuple[Which, int], worker: WorkerProcess, seconds: float, live: int
) -> "Tally[str]":
    before = await worker.ask("usage")
    answer = await worker.ask("dispatch", seconds, name=NAME, in_flight=key[1], aggregates=live)
    after = await worker.ask("usage")
    found.rates[key].append(rate_of(answer))
    found.cpu[key] += after.get("cpu", 0.0) - before.get("cpu", 0.0)
    return Tally(answer.get("streams", {}))


@asynccontextmanager
async def _worker(dsn: str, which: Which, live: int) -> AsyncGenerator[WorkerProcess]:
    command = (sys.executable, "-m", "benchmarks.live_worker", dsn)
    options = ("--schema", _schema(which), "--live", str(live))
    async with started(f"the process with {which}", (*command, *options)) as worker:
        yield worker


def _schema(which: Which) -> str:
    return f"bench_{which}"


def _streams(aggregates: int) -> list[str]:
    return [f"counter-{NAME}-{number}" for number in range(aggregates)]


def lines(found: Live) -> list[str]:
    """The report of a run of its own."""
    rates = [f"{row:62}{median(rates).per_second:14,.0f}/s" for row, rates in found.rows().items()]
    figures = [figure.line() for figure in found.figures()]
    return [*rates, *figures, f"{found.events:,} events; 0 lost, 0 reordered, 0 duplicated"]


async def _main(given: argparse.Namespace) -> None:
    async with postgres(given.dsn) as (dsn, _):
        found = await measure(dsn, given.seconds, given.aggregates)
    print("\n".join(lines(found)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", help="a Postgres to use instead of an embedded one")
    parser.add_argument("--aggregates", type=int, default=MANY, help="how many are live")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each rate")
    uvloop.run(_main(parser.parse_args()))
