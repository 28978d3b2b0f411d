"""How soon processes share work, and take it over: `python -m benchmarks.failover`.

One process shares six subscriptions with others that join, drain and are killed. The seconds count
from the moment that another one has joined until both have their share; and from the moment that it
is asked to drain, or is killed, until every subscription has handled another event. Then a handler
with eight partitions is shared by three processes. Every call of a handler is written down, so that
at the end it shows whether one is missing, or was repeated other than by a kill.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final, NamedTuple

import asyncpg

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

_BETWEEN_SECONDS: Final = 0.01
_TABLE: Final = "create table if not exists handled (domain text, name text, position bigint)"
_WRITE: Final = "insert into handled values ($1, $2, $3)"
_READ: Final = "select name, position, count(*) from handled where domain = $1 group by 1, 2"


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


class Work(NamedTuple):
    """So many handlers of a clock's ticks, each with so many partitions."""

    handlers: int
    partitions: int

    @property
    def domain(self) -> str:
        return f"clocks-{self.handlers}-{self.partitions}"

    @asynccontextmanager
    async def running(self, dsn: str, node: str) -> AsyncGenerator[Runtime]:
        """A process that shares it."""
        async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
            handlers = [self._handler(f"handler-{number}", pool) for number in range(self.handlers)]
            domain = Domain(self.domain, aggregates=[Clock], handlers=handlers)
            schema = f"store_{self.handlers}_{self.partitions}"
            async with Runtime(domain, store=dsn, schema=schema, node=node) as runtime:
                yield runtime

    def _handler(self, name: str, pool: "asyncpg.Pool[asyncpg.Record]") -> EventHandler:
        class Ticks(EventHandler, name=name, partitions=self.partitions):
            @handle
            async def ticked(self, event: Ticked, context: Context) -> None:
                await pool.execute(_WRITE, domain, name, context.position)

        domain = self.domain
        return Ticks()

    async def check(self, dsn: str, head: int) -> str:
        """How many calls are missing, and how many were repeated."""
        connection = await asyncpg.connect(dsn)
        try:
            calls = {
                (name, at): count for name, at, count in await connection.fetch(_READ, self.domain)
            }
        finally:
            await connection.close()
        lost = self.handlers * head - len(calls)
        return f"{lost} lost, {sum(calls.values()) - len(calls)} repeated"


SIX: Final = Work(handlers=6, partitions=1)
EIGHT: Final = Work(handlers=1, partitions=8)


async def _until_shared(runtime: Runtime, shares: Sequence[int]) -> None:
    """Return once so many subscriptions have an owner, by owner, the largest share first."""
    while True:
        rows = await runtime.store.subscriptions.list(runtime.domain.name)
        owners = Counter(row.owner for row in rows if row.owner is not None)
        if sorted(owners.values(), reverse=True) == sorted(shares, reverse=True):
            return
        await asyncio.sleep(_BETWEEN_SECONDS)


async def _handled_everywhere(runtime: Runtime) -> None:
    """Tick, and wait until every subscription has handled that, in whichever process."""
    done = await runtime.dispatch(Tick(clock="a"))
    await runtime.wait(done.position, timeout=60)


@asynccontextmanager
async def _another(dsn: str, work: Work) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Another process, once it has joined; killed at the end."""
    given = ("--own", dsn, str(work.handlers), str(work.partitions))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.failover", *given, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        await child.stdout.readline()
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def _taken_over(dsn: str, runtime: Runtime, end: signal.Signals) -> tuple[float, float]:
    """Seconds until another process had its share, and from its end until it was replaced."""
    async with _another(dsn, SIX) as child:
        joined = perf_counter()
        await _until_shared(runtime, [3, 3])
        shared = perf_counter() - joined
        await _handled_everywhere(runtime)
        child.send_signal(end)
        ended = perf_counter()
        await _handled_everywhere(runtime)
        replaced = perf_counter() - ended
    await _until_shared(runtime, [6])
    return shared, replaced


async def _own(dsn: str, handlers: int, partitions: int) -> None:
    """Be the other process."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with Work(handlers, partitions).running(dsn, "other"):
        print("entered", flush=True)
        await ended.wait()


def _report(name: str, seconds: Sequence[float], bar: str) -> None:
    print(f"{name}: p50 {median(seconds):.2f} s, max {max(seconds):.2f} s  ({bar})")


async def _measure(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_postgres(Path(folder) / "postgres") as dsn:
            connection = await asyncpg.connect(dsn)
            await connection.execute(_TABLE)
            await connection.close()
            async with SIX.running(dsn, "heir") as runtime:
                await _until_shared(runtime, [6])
                drained = [await _taken_over(dsn, runtime, signal.SIGTERM) for _ in range(rounds)]
                after_drains = await SIX.check(dsn, await runtime.store.head())
                killed = [await _taken_over(dsn, runtime, signal.SIGKILL) for _ in range(rounds)]
                after_kills = await SIX.check(dsn, await runtime.store.head())
            async with (
                EIGHT.running(dsn, "heir") as runtime,
                _another(dsn, EIGHT),
                _another(dsn, EIGHT),
            ):
                joined = perf_counter()
                await _until_shared(runtime, [3, 3, 2])
                shared = perf_counter() - joined
                await _handled_everywhere(runtime)
                partitions = await EIGHT.check(dsn, await runtime.store.head())
    _report("6 subscriptions on 2 nodes, joined → 3/3", [item[0] for item in drained], "bar: 2 s")
    _report("drained → handled elsewhere", [item[1] for item in drained], "bar: 0.3 s")
    print(f"  after {rounds} drains: {after_drains}  (bar: 0 and 0)")
    _report("killed → handled elsewhere", [item[1] for item in killed], "bar: p50 1 s, max 2 s")
    print(f"  after {rounds} kills: {after_kills}  (bar: 0 lost; what was not saved is repeated)")
    print(f"8 partitions on 3 nodes, joined → 3/3/2: {shared:.2f} s; {partitions}  (bar: 0 and 0)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--own", nargs=3, metavar=("DSN", "HANDLERS", "PARTITIONS"))
    given = parser.parse_args()
    if given.own:
        asyncio.run(_own(given.own[0], int(given.own[1]), int(given.own[2])))
    else:
        asyncio.run(_measure(given.rounds))
