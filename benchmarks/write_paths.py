"""What each write path and optimization of the store gains: with it and without it in alternation.

`python -m benchmarks.write_paths` prints the time of one operation, and what that becomes without
the path: elapsed time, processor time of client and Postgres together, and of the client alone.
Each figure is the median of many short pairs, with the quartiles in brackets.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch
from uuid import uuid4

import uvloop

from benchmarks.cores import apart, children
from chekov.embedded_postgres import EmbeddedPostgres
from chekov.store.port import Expected, NewEvent
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.append import batch, committer
from chekov.store.postgres.append.append_connection import AppendConnection
from chekov.store.postgres.append.head_cache import HeadCache
from chekov.store.postgres.connection_cache import ConnectionCache
from tests.store_state import listener_has_polled

DATA = b'{"amount":42,"currency":"EUR","note":"' + b"x" * 100 + b'"}'

Off = Callable[[], AbstractContextManager[object]]


_BACKGROUND = ("checkpointer", "writer", "walwriter", "autovacuum", "logical", "io worker")
"""Postgres's own processes, by their titles."""


class Cost(NamedTuple):
    """Of one operation, in nanoseconds: processor time of both sides, and elapsed time."""

    client: float
    server: float
    elapsed: float


class Load(NamedTuple):
    """One operation, repeated: how many at once, of how many events, and whether alone."""

    name: str
    operations: int
    in_flight: int = 1
    events: int = 1
    alone: bool = True


class Subject(NamedTuple):
    """Something that can be switched off, and the loads where it applies."""

    name: str
    off: Off
    loads: tuple[Load, ...]


LONE = Load("1 in flight", 60)
NEW = Load("1 in flight, new streams", 60)
BATCHES = (
    Load("1 in flight, 10 events", 50, 1, 10),
    Load("4 in flight", 160, 4),
    Load("16 in flight", 480, 16),
    Load("48 in flight", 960, 48),
)
MANY = Load("256 in flight", 1536, 256)
SHARED = Load("1 in flight, second process", 60, alone=False)
SHARED_BATCH = Load("16 in flight, second process", 480, 16, alone=False)
PAGES = Load("pages of 1000", 10)
READS = Load("streams of 3", 100, events=3)


@contextmanager
def _no_insert() -> Generator[None]:
    async def nothing(*_: object) -> None:
        return None

    async def no_insert_many(*_: object) -> tuple[()]:
        return ()

    with (
        patch.object(AppendConnection, "insert_next", nothing),
        patch.object(AppendConnection, "_insert_many_next", no_insert_many),
    ):
        yield


@contextmanager
def _insert_many_of_one() -> Generator[None]:
    async def nothing(*_: object) -> None:
        return None

    with patch.object(AppendConnection, "insert_next", nothing):
        yield


@contextmanager
def _no_insert_many() -> Generator[None]:
    async def no_insert_many(*_: object) -> tuple[()]:
        return ()

    with patch.object(AppendConnection, "_insert_many_next", no_insert_many):
        yield


@contextmanager
def _no_head_cache() -> Generator[None]:
    def unknown(_: HeadCache) -> None:
        return None

    with patch.object(HeadCache, "head", unknown):
        yield


@contextmanager
def _no_append_one() -> Generator[None]:
    async def many(self: AppendConnection, pending: batch.Pending) -> object:
        return await self._append_many([[pending]], together=False)

    with patch.object(AppendConnection, "_append_one", many):
        yield


@contextmanager
def _no_connection_cache() -> Generator[None]:
    async def acquire(self: Any) -> Any:
        return await self._pool.acquire(timeout=self._patience)

    async def release(self: Any, connection: Any) -> None:
        await self._pool.release(connection)

    with (
        patch.object(ConnectionCache, "acquire", acquire),
        patch.object(ConnectionCache, "release", release),
    ):
        yield


@contextmanager
def _one_by_one() -> Generator[None]:
    def first(*given: Any) -> list[batch.Group]:
        queue, busy, share = given
        return batch.take(queue, busy, min(share, 1))

    with patch.object(committer, "take", first):
        yield


@contextmanager
def _one_connection() -> Generator[None]:
    with patch.object(committer, "_SHARE_FROM", 10**9):
        yield


SUBJECTS = (
    Subject("insert_next (over append_one_v1)", _no_insert, (LONE, NEW)),
    Subject("insert_next (over _insert_many_next)", _insert_many_of_one, (LONE,)),
    Subject("_insert_many_next (over append_many_v1)", _no_insert_many, BATCHES),
    Subject("HeadCache (both of these)", _no_head_cache, BATCHES),
    Subject("append_one_v1 (over append_many_v1)", _no_append_one, (SHARED,)),
    Subject("_append_many batches (over one by one)", _one_by_one, (SHARED_BATCH,)),
    Subject("two connections", _one_connection, (MANY,)),
    Subject("ConnectionCache", _no_connection_cache, (READS,)),
)


class Bench:
    """Stores with loads to measure, and the processor time that they take."""

    def __init__(self, dsn: str, server: int) -> None:
        self.dsn = dsn
        self.server = server
        self.versions: dict[str, int] = {}
        self.backends: dict[int, int] = {}

    @asynccontextmanager
    async def store(self, *, alone: bool) -> AsyncGenerator[PostgresStore]:
        async with PostgresStore(self.dsn) as store, AsyncExitStack() as stack:
            if not alone:
                await stack.enter_async_context(PostgresStore(self.dsn))
            await store.append("warm", [self.event()])
            await listener_has_polled(self.dsn)
            await asyncio.sleep(1.2)
            yield store

    def event(self) -> NewEvent:
        return NewEvent(uuid4(), "Deposited", DATA, b'{"by":"me"}', uuid4(), uuid4())

    def cost(self) -> Cost:
        for process in self.backends:
            # One that has ended keeps what it had used.
            with suppress(FileNotFoundError, ProcessLookupError):
                text = Path(f"/proc/{process}/schedstat").read_text()
                self.backends[process] = int(text.split()[0])
        server = sum(self.backends.values())
        return Cost(time.process_time_ns(), server, time.perf_counter_ns())

    def find_backends(self) -> None:
        """Leave out Postgres's background processes, whose work comes at any time."""
        self.backends = {
            process: 0 for process in children(self.server) if not _is_background(process)
        }

    async def run(self, store: PostgresStore, load: Load) -> Cost:
        """The cost of one operation."""
        operation = self.operation(store, load)
        left = load.operations

        async def work(worker: int) -> None:
            nonlocal left
            while left > 0:
                left -= 1
                await operation(worker)

        before = self.cost()
        await asyncio.gather(*(work(worker) for worker in range(load.in_flight)))
        after = self.cost()
        return Cost(
            *((end - begin) / load.operations for begin, end in zip(before, after, strict=True))
        )

    def operation(self, store: PostgresStore, load: Load) -> Callable[[int], Awaitable[object]]:
        if load is PAGES:
            return lambda _: store.read_page(limit=1000)
        if load is READS:
            return lambda _: store.read_stream("warm", limit=load.events)
        if load is NEW:
            return lambda _: store.append(
                f"new-{uuid4()}", [self.event()], expected=Expected.NO_STREAM
            )

        async def append(worker: int) -> None:
            stream = f"account-{load.events}-{worker}"
            version = self.versions.get(stream, 0)
            appended = await store.append(
                stream, [self.event() for _ in range(load.events)], expected=version
            )
            self.versions[stream] = appended.version

        return append

    async def compare(self, subject: Subject, load: Load, pairs: int) -> list[tuple[Cost, Cost]]:
        """Costs with the subject and without it, of loads that take turns."""
        costs: list[tuple[Cost, Cost]] = []
        async with self.store(alone=load.alone) as store:
            await self.run(store, load)
            with subject.off():
                await self.run(store, load)
            self.find_backends()
            with apart([os.getpid()], self.server):
                for _ in range(pairs):
                    usual = await self.run(store, load)
                    with subject.off():
                        costs.append((usual, await self.run(store, load)))
        return costs


def _is_background(process: int) -> bool:
    title = Path(f"/proc/{process}/cmdline").read_text()
    return any(word in title for word in _BACKGROUND)


def report(subject: Subject, load: Load, costs: Sequence[tuple[Cost, Cost]]) -> None:
    def ratio(value: Callable[[Cost], float]) -> str:
        ratios = [value(without) / value(usual) for usual, without in costs]
        low, middle, high = statistics.quantiles(ratios, n=4)
        return f"x{middle:.2f} ({low:.2f} to {high:.2f})"

    elapsed = statistics.median(usual.elapsed for usual, _ in costs) / 1000
    print(
        f"{subject.name:46} {load.name:28} {elapsed:7.1f} µs  {ratio(lambda cost: cost.elapsed)}"
        f"  {ratio(lambda cost: cost.client + cost.server)}  {ratio(lambda cost: cost.client)}",
        flush=True,
    )


async def main(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        postgres = EmbeddedPostgres(Path(folder))
        await postgres.start()
        try:
            assert postgres.pid is not None
            bench = Bench(postgres.dsn, postgres.pid)
            print(f"{'':75} {'with it':>10}  elapsed  processors  client (quartiles)")
            for subject in SUBJECTS:
                if arguments.only in subject.name:
                    for load in subject.loads:
                        report(subject, load, await bench.compare(subject, load, arguments.pairs))
        finally:
            await postgres.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--only", default="", help="only subjects whose names hold this")
    uvloop.run(main(parser.parse_args()))
