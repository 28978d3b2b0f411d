"""How soon the events of a killed owner are handled elsewhere: `python -m benchmarks.failover`.

Two processes share two subscriptions. One of them is killed, and the seconds count from then until
the other has handled an event of the subscription that it had; and, before, from the moment that it
joined until it had its share.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

from chekov import (
    Aggregate,
    Command,
    Context,
    Domain,
    Event,
    EventHandler,
    Identifier,
    Runtime,
    apply,
    execute,
    handle,
)
from chekov.embedded_postgres import embedded_postgres

NAMES: Final = ("first", "second")
_BETWEEN_SECONDS: Final = 0.01


class Ticked(Event):
    pass


class Tick(Command[Ticked]):
    clock: Identifier[str]


class Clock(Aggregate, identity="clock"):
    @execute
    def tick(self, command: Tick) -> Iterable[Ticked]:
        yield Ticked()

    @apply
    def ticked(self, event: Ticked) -> None:
        pass


def domain() -> Domain:
    """A clock, and two handlers of its ticks."""
    return Domain("clocks", aggregates=[Clock], handlers=[_handler(name) for name in NAMES])


def _handler(name: str) -> EventHandler:
    class Ticks(EventHandler, name=name):
        @handle
        async def ticked(self, event: Ticked, context: Context) -> None:
            pass

    return Ticks()


def _owned(runtime: Runtime) -> int:
    return sum(status.owned for status in runtime.subscriptions.values())


async def _until_owned(runtime: Runtime, number: int) -> None:
    while _owned(runtime) != number:  # noqa: ASYNC110 the status has no event
        await asyncio.sleep(_BETWEEN_SECONDS)


async def _handled_everywhere(runtime: Runtime) -> None:
    """Tick, and wait until every subscription has handled that, in whichever process."""
    done = await runtime.dispatch(Tick(clock="a"))
    await runtime.wait(done.position, timeout=60)


async def _round(dsn: str, runtime: Runtime) -> tuple[float, float]:
    """Seconds until a process that joined had its share, and until it was replaced."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.failover", "--own", dsn, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    await child.stdout.readline()
    joined = perf_counter()
    await _until_owned(runtime, 1)
    await child.stdout.readline()
    shared = perf_counter() - joined
    await _handled_everywhere(runtime)
    child.kill()
    killed = perf_counter()
    await _handled_everywhere(runtime)
    replaced = perf_counter() - killed
    await child.wait()
    await _until_owned(runtime, len(NAMES))
    return shared, replaced


async def _own(dsn: str) -> None:
    """Be the process that is killed."""
    async with Runtime(domain(), store=dsn, node="killed") as runtime:
        print("entered", flush=True)
        await _until_owned(runtime, 1)
        print("shared", flush=True)
        await asyncio.get_running_loop().create_future()


async def _measure(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            embedded_postgres(Path(folder) / "postgres") as dsn,
            Runtime(domain(), store=dsn, node="heir") as runtime,
        ):
            await _until_owned(runtime, len(NAMES))
            figures = [await _round(dsn, runtime) for _ in range(rounds)]
    for place, name in enumerate(("joined → shared", "killed → handled elsewhere")):
        seconds = [figure[place] for figure in figures]
        print(f"{name}: p50 {median(seconds):.2f} s, max {max(seconds):.2f} s, {rounds} times")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--own", metavar="DSN", help=argparse.SUPPRESS)
    given = parser.parse_args()
    asyncio.run(_own(given.own) if given.own else _measure(given.rounds))
