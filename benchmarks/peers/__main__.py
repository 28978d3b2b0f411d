"""`make bench-peers`: the same work for the store and its peers, in one run on one Postgres."""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from benchmarks.peers import large, report
from benchmarks.peers.rounds import Rounds
from benchmarks.peers.systems import SYSTEMS
from benchmarks.peers.workloads import WORKLOADS
from chekov.testing.postgres import EmbeddedPostgres

# The peers' pools and the bare INSERT's add up to more than Postgres allows by default.
SETTINGS = {"max_connections": "300"}


async def main(given: argparse.Namespace) -> int:
    """Measure, print, and tell by the exit code whether ours lost, doubled or reordered."""
    systems = [system for system in SYSTEMS if chosen(system.name, given.only)]
    workloads = [item for item in WORKLOADS if chosen(item.name, given.workloads)]
    started = datetime.now(UTC)
    async with postgres(given.dsn) as dsn:
        rounds = Rounds(dsn, given.seconds, say)
        for number in range(given.rounds):
            idle = number == given.rounds - 1 and chosen("idle", given.workloads)
            await rounds.run(number, systems, workloads, idle=idle)
        flat: Mapping[str, float] = {}
        if given.large:
            flat = await large.measure(dsn, given.large_events, given.seconds, given.rounds, say)
        server = await version(dsn)
    outcome = rounds.outcome
    judged = report.bars(outcome, flat)
    print(f"\n{heading(started, given, server)}\n\n{report.tables(outcome)}\n")
    if outcome.idle:
        print(f"{report.idle(outcome)}\n")
    if flat:
        print(f"{large.table(flat)}\n")
    print("bars\n" + "\n".join(f"  {bar.line()}" for bar in judged))
    if given.json:
        write(Path(given.json), report.as_json(outcome, judged, flat))
    return (
        1 if any(faults for (_, name), faults in outcome.faults.items() if name == "chekov") else 0
    )


def write(target: Path, result: Mapping[str, object]) -> None:
    target.write_text(json.dumps(result, indent=2) + "\n")


def chosen(name: str, names: str) -> bool:
    """Whether a list of names holds this one; an empty list holds all."""
    return not names or name in names.split(",")


def heading(started: datetime, given: argparse.Namespace, server: str) -> str:
    """What a reader has to know to compare the figures with others."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{started:%Y-%m-%d %H:%M} UTC; {platform.machine()}, {os.cpu_count()} cores; "
        f"Python {platform.python_version()}; Postgres {server}; load average at the end {load}; "
        f"{given.rounds} rounds of {given.seconds:g} s"
    )


@asynccontextmanager
async def postgres(dsn: str | None) -> AsyncGenerator[str]:
    """The server that was given, or a fresh one with its defaults and more connections."""
    if dsn is not None:
        yield dsn
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = EmbeddedPostgres(Path(folder), settings=SETTINGS)
        try:
            await server.start()
            yield server.dsn
        finally:
            await server.stop()


async def version(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("show server_version"))
    finally:
        await connection.close()


def say(text: str) -> None:
    """One line that is written over on a terminal, and a line each elsewhere."""
    end = "" if sys.stderr.isatty() else "\n"
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{start}{text}", end=end, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    names = ", ".join(system.name for system in SYSTEMS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--dsn", help="a Postgres to use instead of an embedded one")
    parser.add_argument("--only", default="", help=f"systems, by comma, of {names}")
    parser.add_argument(
        "--workloads", default="", help=f"by comma, of {', '.join(item.name for item in WORKLOADS)}"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds")
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("--large", action="store_true", help="also appends to a large store")
    parser.add_argument(
        "--large-events", type=int, default=10_000_000, help="events of the large store"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(arguments())))
