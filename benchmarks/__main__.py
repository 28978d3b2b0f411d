"""`make bench`: one run, interleaved rounds, medians, and a check of the whole history."""

import argparse
import json
import os
import platform
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop

from benchmarks import bare, history, in_process, over_http
from benchmarks.cores import apart
from benchmarks.measure import Rate, median
from chekov import Runtime
from chekov.embedded_postgres import EmbeddedPostgres
from chekov.server import gc_tuning

IN_FLIGHT = (1, 16, 64, 256)
CONNECTIONS = (1, 16, 64)
SCHEMA = "bench"
TURNS = 10
"""Parts of a measurement that alternates with its limit, where one flush more or less shows."""
SHARED = ", cores shared"
"""Once more, with client and Postgres wherever the scheduler puts them."""
BARS = {
    "commands, 1 in flight / bare INSERT": 0.85,
    "commands, 256 in flight, per second": 25_000,
    "HTTP / echo, 64 connections": 0.25,
    "catch-up, decoded events per second": 200_000,
}
LATENCY_BAR = 2.0

Results = dict[str, list[Rate]]


async def main(arguments: argparse.Namespace) -> None:
    """Measure everything, check the history, print the table."""
    async with AsyncExitStack() as stack:
        dsn, server = arguments.dsn, None
        if dsn is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            postgres = EmbeddedPostgres(Path(folder))
            stack.push_async_callback(postgres.stop)
            await postgres.start()
            dsn, server = postgres.dsn, postgres.pid
        rates: Results = defaultdict(list)
        acknowledged: dict[str, int] = {}
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", flush=True)
            await one_round(dsn, server, arguments.seconds, rates, acknowledged)
        async with Runtime(in_process.commands, store=dsn, schema=SCHEMA) as runtime:
            count = await history.check(runtime.store, acknowledged)
            for _ in range(arguments.rounds):
                rates["catch-up"].append(await in_process.catch_up(runtime))
    report(rates, count, Path(arguments.json) if arguments.json else None)


async def one_round(
    dsn: str, server: int | None, seconds: float, rates: Results, acknowledged: dict[str, int]
) -> None:
    """Each workload once, limits and subjects in turn."""
    async with (
        Runtime(in_process.commands, store=dsn, schema=SCHEMA) as runtime,
        bare.connected(dsn, SCHEMA) as connection,
    ):
        gc_tuning.tune()
        part = seconds / TURNS
        # A service's instances are loaded once and then used for as long as it lives.
        await in_process.dispatch(runtime, part, 1, acknowledged)
        for shared in (False, True):
            with apart(os.getpid(), None if shared else server):
                for _ in range(TURNS):
                    rate = await bare.insert_one(connection, part)
                    rates["bare INSERT" + SHARED * shared].append(rate)
                    rate = await in_process.dispatch(runtime, part, 1, acknowledged)
                    rates["commands, 1 in flight" + SHARED * shared].append(rate)
        for in_flight in IN_FLIGHT[1:]:
            rate = await in_process.dispatch(runtime, seconds, in_flight, acknowledged)
            rates[f"commands, {in_flight} in flight"].append(rate)
        rates["bare INSERT of 256"].append(await bare.insert_many(connection, seconds, 256))
    async with over_http.servers(dsn, SCHEMA) as (api, echo):
        for connections in CONNECTIONS:
            rates[f"echo, {connections} connections"].append(
                await over_http.echo(echo, seconds, connections)
            )
            rates[f"HTTP, {connections} connections"].append(
                await over_http.commands(api, seconds, connections, acknowledged)
            )
        rates["NDJSON batches of 256"].append(
            await over_http.batches(api, seconds, 256, acknowledged)
        )
    rates["live, 1000 a second"].append(
        await in_process.live(dsn, SCHEMA, 1000, seconds, acknowledged)
    )


def report(rates: Results, count: int, target: Path | None) -> None:
    """Print medians, ratios and bars; write the same as JSON when asked."""
    rows = {name: median(rounds) for name, rounds in rates.items()}
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{'':34}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}")
    for name, rate in rows.items():
        latencies = (
            f"{rate.percentile(0.5):10.2f}{rate.percentile(0.99):10.2f}" if rate.latencies else ""
        )
        print(f"{name:34}{rate.per_second:12,.0f}{latencies}")
    figures = ratios(rows)
    print()
    for name, figure in figures.items():
        bar = BARS.get(name)
        verdict = (
            "" if bar is None else f"   (bar {bar:,g}: {'met' if figure >= bar else 'MISSED'})"
        )
        print(f"{name:50}{figure:12,.2f}{verdict}")
    p50 = rows["live, 1000 a second"].percentile(0.5)
    met = "met" if p50 <= LATENCY_BAR else "MISSED"
    print(f"{'append to handler, p50 ms':50}{p50:12,.2f}   (bar {LATENCY_BAR:g}: {met})")
    print(f"\nhistory: {count:,} events; 0 lost, 0 reordered, 0 doubled")
    if target:
        target.write_text(json.dumps({"figures": figures, "events": count}, indent=2) + "\n")


def ratios(rows: dict[str, Rate]) -> dict[str, float]:
    """The figures that travel between machines."""
    per_second = {name: rate.per_second for name, rate in rows.items()}
    return {
        "commands, 1 in flight / bare INSERT": per_second["commands, 1 in flight"]
        / per_second["bare INSERT"],
        f"commands, 1 in flight / bare INSERT{SHARED}": per_second[f"commands, 1 in flight{SHARED}"]
        / per_second[f"bare INSERT{SHARED}"],
        "commands, 256 in flight, per second": per_second["commands, 256 in flight"],
        "commands, 256 in flight / bare INSERT of 256": per_second["commands, 256 in flight"]
        / per_second["bare INSERT of 256"],
        **{
            f"HTTP / echo, {n} connections": per_second[f"HTTP, {n} connections"]
            / per_second[f"echo, {n} connections"]
            for n in CONNECTIONS
        },
        "catch-up, decoded events per second": per_second["catch-up"],
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--dsn", help="a Postgres to use instead of an embedded one")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds")
    parser.add_argument("--json", help="write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    uvloop.run(main(arguments()))
