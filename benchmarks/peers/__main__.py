"""`make bench-peers`: the store and its peers with the same work, in one run on one Postgres."""

import argparse
import asyncio
import json
import os
import platform
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import uvloop

from benchmarks.peers import large, report
from benchmarks.peers.rounds import Outcome, Rounds
from benchmarks.peers.systems import CHEKOV, SYSTEMS
from benchmarks.peers.workloads import WORKLOADS
from benchmarks.postgres import postgres

# The peers' pools and the bare INSERT's add up to more than Postgres allows by default.
SETTINGS = {"max_connections": "300"}


async def main(given: argparse.Namespace) -> int:
    """Measure and print; the exit code is 1 if chekov lost, duplicated or reordered an event."""
    head = heading(given)
    stop_cleanly()
    async with postgres(given.dsn, SETTINGS) as (dsn, pid):
        outcome = await compare(dsn, pid, given)
        flat: Mapping[str, float] = {}
        if given.large or "large" in given.workloads.split(","):
            flat = await large.measure(dsn, given.large_events, given.seconds, given.rounds, say)
        server = await version(dsn)
    judged = report.bars(outcome, flat)
    print(f"\n{head}; Postgres {server}; load average at the end {load()}\n")
    print(report.text(outcome))
    if flat:
        print(f"\n{large.table(flat)}")
    print("\nbars\n" + "\n".join(f"  {bar.line()}" for bar in judged))
    if given.json:
        write(Path(given.json), report.as_json(outcome, judged, flat))
    return 1 if outcome.is_faulty(CHEKOV) else 0


def stop_cleanly() -> None:
    """Let SIGTERM end the run as Ctrl-C does: with its workers, databases and server."""
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def compare(dsn: str, server: int | None, given: argparse.Namespace) -> Outcome:
    """Run the rounds over the chosen systems and workloads."""
    systems = [system for system in SYSTEMS if chosen(system.name, given.only)]
    workloads = [item for item in WORKLOADS if chosen(item.name, given.workloads)]
    idle = chosen("idle", given.workloads)
    rounds = Rounds(dsn, server, given.seconds, say, two=not given.one_process)
    if workloads or idle:
        for number in range(given.rounds):
            last = number == given.rounds - 1
            await rounds.run(number, systems, workloads, idle=idle and last)
    return rounds.outcome


def write(target: Path, result: Mapping[str, object]) -> None:
    target.write_text(json.dumps(result, indent=2) + "\n")


def chosen(name: str, names: str) -> bool:
    """Whether a comma-separated list contains a name; an empty list contains all."""
    return not names or name in names.split(",")


def heading(given: argparse.Namespace) -> str:
    """The circumstances that figures depend on."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {platform.machine()}, {os.cpu_count()} cores; "
        f"Python {platform.python_version()}; {given.rounds} rounds of {given.seconds:g} s; "
        f"load average at the start {load()}"
    )


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


async def version(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("show server_version"))
    finally:
        await connection.close()


def say(text: str) -> None:
    """Report progress: on one line of a terminal, otherwise on a line each."""
    end = "" if sys.stderr.isatty() else "\n"
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{start}{text}", end=end, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    systems = [system.name for system in SYSTEMS]
    workloads = [*(item.name for item in WORKLOADS), "idle", "large"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--dsn", help="a Postgres to use instead of an embedded one")
    parser.add_argument("--only", default="", help=f"systems, by comma: {', '.join(systems)}")
    parser.add_argument("--workloads", default="", help=f"by comma: {', '.join(workloads)}")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds")
    parser.add_argument(
        "--one-process", action="store_true", help="skip the columns with a second process"
    )
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("--large", action="store_true", help="also appends to a large store")
    parser.add_argument("--large-events", type=int, default=10_000_000, help="its size")
    given = parser.parse_args()
    unknown = {*given.only.split(","), *given.workloads.split(",")} - {"", *systems, *workloads}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return given


if __name__ == "__main__":
    sys.exit(uvloop.run(main(arguments())))
