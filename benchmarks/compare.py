"""`make bench-compare BASE=path`: this checkout beside another one, measured in alternation.

Both run in environments of their own, on one Postgres server, and are measured by the benchmarks of
this checkout. Rows are measured in short slices that alternate between the two (A B B A …), so that
a drift of the machine affects both alike. A ratio is the median of the ratios of slices measured
one after the other. Databases and processes are new in each round.
"""

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import asyncpg
import uvloop

from benchmarks.compared_rows import (
    RUNTIME_ROWS,
    SLICES,
    SLICES_OF,
    STORE_ROWS,
    TWO_ROWS,
    CompareError,
    Rows,
    Side,
    runtime_rows,
    store_rows,
)
from benchmarks.comparison import Comparison, as_json, figures, text
from benchmarks.postgres import fresh_database, postgres
from benchmarks.process import ROOT, WorkerError

Open = Callable[[Side, str, int | None], AbstractAsyncContextManager[Rows]]


class Compare:
    """Measures two checkouts.

    Args:
        dsn: a database of the server, as a role that may create databases.
        server: its main process, if it may be pinned to cores.
        sides: the old and the new checkout.
        seconds: time for each measurement.
    """

    def __init__(
        self, dsn: str, server: int | None, sides: tuple[Side, Side], seconds: float
    ) -> None:
        self._dsn = dsn
        self._server = server
        self._sides = sides
        self._seconds = seconds
        self._figures: defaultdict[str, tuple[list[float], list[float]]] = defaultdict(
            lambda: ([], [])
        )

    async def round(self, number: int, start: Open, rows: Sequence[str]) -> None:
        """Measure rows once in each checkout, in new processes and databases."""
        async with AsyncExitStack() as stack:
            admin = await asyncpg.connect(self._dsn)
            stack.push_async_callback(admin.close)
            opened: list[Rows] = []
            for side in self._sides:
                name = f"compare_{side.name}"
                dsn = await stack.enter_async_context(fresh_database(admin, self._dsn, name))
                opened.append(await stack.enter_async_context(start(side, dsn, self._server)))
            for row in rows:
                say(f"round {number + 1}: {row}")
                await admin.execute("checkpoint")
                await self._row(number, row, opened)
            for one in opened:
                await one.check()

    async def _row(self, number: int, row: str, opened: Sequence[Rows]) -> None:
        slices = SLICES_OF.get(row, SLICES)
        async with AsyncExitStack() as stack:
            measures = [await stack.enter_async_context(one.ready(row)) for one in opened]
            for turn in range(number, number + slices):
                for index in (0, 1) if turn % 2 == 0 else (1, 0):
                    rates = await measures[index](self._seconds / slices)
                    for name, value in figures(rates).items():
                        self._figures[name][index].append(value)

    @property
    def comparisons(self) -> list[Comparison]:
        return [Comparison(name, old, new) for name, (old, new) in self._figures.items()]


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


async def main(given: argparse.Namespace) -> int:
    started = time.monotonic()
    sides = Side("old", given.base.resolve()), Side("new", given.new.resolve())
    load = os.getloadavg()[0]
    runtime, store = chosen(given)
    try:
        async with postgres(given.dsn) as (dsn, server):
            compare = Compare(dsn, server, sides, given.seconds)
            for number in range(given.rounds):
                if runtime:
                    await compare.round(number, runtime_rows, runtime)
                if store:
                    await compare.round(number, store_rows, store)
    except (CompareError, WorkerError) as error:
        say(str(error))
        return 1
    minutes = (time.monotonic() - started) / 60
    print(f"old: {sides[0].root}\nnew: {sides[1].root}")
    print(f"{given.rounds} rounds of {given.seconds:g} s, {minutes:.1f} min, load {load:.1f}\n")
    print(text(compare.comparisons))
    print("\nhistory: 0 lost, 0 reordered, 0 duplicated, in both and in every round")
    if given.json:
        write(given.json, as_json(compare.comparisons))
    return 0


def chosen(given: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The rows of the runtime and those of the store."""
    if given.rows:
        names = given.rows.split(",")
    else:
        names = [*RUNTIME_ROWS, *(TWO_ROWS * given.two), *(STORE_ROWS * given.peers)]
    return [name for name in names if name not in STORE_ROWS], [
        name for name in names if name in STORE_ROWS
    ]


def write(target: Path, result: Mapping[str, object]) -> None:
    target.write_text(json.dumps(result, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    names = [*RUNTIME_ROWS, *TWO_ROWS, *STORE_ROWS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("base", type=Path, help="the old checkout, with its environment")
    parser.add_argument("--new", type=Path, default=ROOT, help="the new one, by default this one")
    parser.add_argument("--dsn", help="a Postgres to use instead of an embedded one")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds")
    parser.add_argument("--two", action="store_true", help="also with a second process")
    parser.add_argument("--peers", action="store_true", help="also chekov's rows of bench-peers")
    parser.add_argument("--rows", default="", help=f"only these, by comma: {', '.join(names)}")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    unknown = {*given.rows.split(",")} - {"", *names}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return given


if __name__ == "__main__":
    sys.exit(uvloop.run(main(arguments())))
