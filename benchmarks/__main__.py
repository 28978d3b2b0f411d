"""`make bench`: interleaved rounds in one run, medians, and a check of the whole history."""

import argparse
import json
import os
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks import (
    bare,
    bare_handlers,
    bare_steps,
    conditions,
    history,
    in_process,
    live_aggregates,
    over_http,
    process_managers,
    projections,
    two_processes,
    typed_pages,
)
from benchmarks.cores import apart
from benchmarks.domain import commands
from benchmarks.measure import Load, Rate, tune_gc
from benchmarks.overload import Overload
from benchmarks.postgres import postgres
from benchmarks.report import (
    BARE,
    CONNECTIONS,
    IN_FLIGHT,
    PROCESS_STEPS,
    SHARED_CORES,
    Figure,
    as_json,
    text,
)
from benchmarks.shared_aggregates import SharedAggregates
from benchmarks.two_processes import Columns, TwoProcesses
from chekov import Runtime

SCHEMA = "bench"
PARTS = 10
"""Parts of a measurement that alternates with its limit, where a single flush shows."""
LONE = "lone"
INSTANCES = 5000
"""Of a process manager, in each round."""
TEN = 10
"""Subscriptions that catch up together."""


@dataclass(slots=True)
class Bench:
    """One run.

    Attributes:
        dsn: the database.
        server: the main process of Postgres, if it may be pinned to cores.
        seconds: time for each measurement.
        rates: row → one rate a round.
        columns: commands with a second process at the store.
        acknowledged: stream → events acknowledged so far, in all processes.
        shared: commands at random over the aggregates that two processes share.
        overload: commands of more clients than fit.
        figures: found beside the rates.
    """

    dsn: str
    server: int | None
    seconds: float
    rates: defaultdict[str, list[Rate]] = field(default_factory=lambda: defaultdict(list))
    columns: Columns = field(default_factory=Columns)
    acknowledged: Tally[str] = field(default_factory=Tally[str])
    shared: SharedAggregates = field(init=False)
    overload: Overload = field(default_factory=Overload)
    figures: list[Figure] = field(default_factory=list[Figure])

    def __post_init__(self) -> None:
        self.shared = SharedAggregates(self.dsn, SCHEMA, self.acknowledged)

    async def round(self, number: int) -> None:
        """Measure each workload once, in turn with its limit."""
        await self._lone()
        await self._commands(number)
        await conditions.measure(self.dsn, self.server, self.seconds, self._note)
        await self.shared.measure_in_process(f"shared-{number}", self.seconds)
        await self._http()
        await self.shared.measure_over_http(f"shared-http-{number}", self.seconds)
        await self.overload.measure(
            self.dsn, SCHEMA, f"overload-{number}", self.seconds, self.acknowledged
        )
        rate, streams = await in_process.live(self.dsn, SCHEMA, 1000, self.seconds)
        self._note("live, 1000 a second", rate, streams)
        rate = await in_process.live(self.dsn, SCHEMA, 1000, self.seconds, apart=True)
        self._note("live, 1000 a second, other store", *rate)
        await self._steps()

    async def finish(self, rounds: int) -> int:
        """Check the history, measure what needs one; returns the number of events in all checks."""
        async with Runtime(commands, store=self.dsn, schema=SCHEMA) as runtime:
            count = await history.check(runtime.store, self.acknowledged)
            for _ in range(rounds):
                self._note("catch-up", await typed_pages.catch_up(runtime))
        for _ in range(rounds):
            await self._handlers()
        alone = await projections.rows_read(self.dsn, SCHEMA, 1)
        together = await projections.rows_read(self.dsn, SCHEMA, TEN)
        live = await live_aggregates.measure(self.dsn, self.seconds)
        for row, parts in live.rows().items():
            self.rates[row] += parts
        self.figures += live.figures()
        self.figures += await conditions.figures(self.dsn, self.rates)
        self.figures += self.shared.figures()
        self.figures += self.overload.figures()
        name = "rows read by ten subscriptions / one"
        self.figures.append(Figure(name, together / alone, 1.3, at_most=True))
        return count + live.events

    def _note(self, row: str, rate: Rate, streams: Mapping[str, int] | None = None) -> None:
        self.rates[row].append(rate)
        self.acknowledged.update(streams or {})

    async def _steps(self) -> None:
        """Process managers, and their limit, whose tables are like those of their store."""
        schema = f"{SCHEMA}_transfers"
        done = await process_managers.transfers(self.dsn, schema, INSTANCES)
        rate = await bare_steps.steps(self.dsn, schema, INSTANCES)
        self._note(f"{PROCESS_STEPS}{BARE}", rate)
        self._note(PROCESS_STEPS, done.rate)

    async def _handlers(self) -> None:
        """Each kind of handler that catches up, after its limit."""
        for row, limit in bare_handlers.LIMITS.items():
            rate = await bare_handlers.catch_up(self.dsn, SCHEMA, limit)
            self._note(f"{row}{BARE}", rate)
            if row in projections.ROWS:
                projection = projections.ROWS[row]()
                self._note(row, await projections.build(self.dsn, SCHEMA, projection))
            else:
                self._note(row, await in_process.catch_up(self.dsn, SCHEMA))

    async def _lone(self) -> None:
        """One command at a time beside one INSERT at a time, and the limit of batches."""
        aggregates = in_process.aggregates_for(1)
        async with (
            Runtime(commands, store=self.dsn, schema=SCHEMA) as runtime,
            bare.connected(self.dsn, SCHEMA) as connection,
        ):
            tune_gc()
            self.acknowledged.update(await in_process.warm(runtime, LONE, aggregates))
            part = self.seconds / PARTS
            for suffix, server in (("", self.server), (SHARED_CORES, None)):
                with apart([os.getpid()], server):
                    for _ in range(PARTS):
                        rate = await bare.insert_one(connection, part)
                        self._note(f"bare INSERT{suffix}", rate)
                        done = await in_process.dispatch(runtime, Load(LONE, 1, part), aggregates)
                        self._note(f"commands, 1 in flight{suffix}", done.rate, done.streams)
            rate = await bare.insert_many(connection, self.seconds, 256)
            self._note("bare INSERT of 256", rate)

    async def _commands(self, number: int) -> None:
        """By one process, beside an idle second one, and by two."""
        async with two_processes.processes(self.dsn, SCHEMA) as workers:
            await workers[0].ask("attach")
            two = TwoProcesses(workers, self.server, self.columns, self.acknowledged)
            for in_flight in IN_FLIGHT:
                await two.measure(f"{number}-{in_flight}", in_flight, self.seconds)
                if in_flight > 1:
                    rate = self.columns.rates[in_flight, "one"][-1]
                    self._note(f"commands, {in_flight} in flight", rate)

    async def _http(self) -> None:
        async with (
            over_http.api_server(self.dsn, SCHEMA) as api,
            over_http.echo_server() as echo,
            over_http.echo_server("benchmarks.granian_echo") as granian,
        ):
            for connections in CONNECTIONS:
                rate = await over_http.echo(echo, self.seconds, connections)
                self._note(f"echo, {connections} connections", rate)
                rate = await over_http.echo(granian, self.seconds, connections)
                self._note(f"echo of Granian, {connections} connections", rate)
                rate = await over_http.commands(
                    api.api, self.seconds, connections, self.acknowledged
                )
                self._note(f"HTTP, {connections} connections", rate)
            rate = await over_http.batches(api.api, self.seconds, 256, self.acknowledged)
            self._note("NDJSON batches of 256", rate)


async def main(given: argparse.Namespace) -> None:
    async with postgres(given.dsn) as (dsn, server):
        bench = Bench(dsn, server, given.seconds)
        for number in range(given.rounds):
            print(f"round {number + 1} of {given.rounds}", flush=True)
            await bench.round(number)
        events = await bench.finish(given.rounds)
    print("\n" + text(bench.rates, bench.columns, events, bench.figures))
    if given.json:
        result = as_json(bench.rates, bench.columns, events, bench.figures)
        write(Path(given.json), result)


def write(target: Path, result: Mapping[str, object]) -> None:
    target.write_text(json.dumps(result, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--dsn", help="a Postgres to use instead of an embedded one")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds")
    parser.add_argument("--json", help="write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    uvloop.run(main(arguments()))
