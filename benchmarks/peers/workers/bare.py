"""The limit: asyncpg inserting into a table like the store's, and nothing else."""

import argparse
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, Self

import msgspec
import uvloop

from benchmarks.bare import COLUMNS, MANY, ONE
from benchmarks.domain import DATA, Added
from benchmarks.peers.asynchronous import AsyncWorker, Row
from benchmarks.peers.wire import serve
from benchmarks.peers.work import event_id
from benchmarks.peers.workers.connections import Connections
from chekov.store.postgres import PostgresStore

SCHEMA = "bench"
CONNECTIONS = 16
PAGE = 1000
READ = f"""select {COLUMNS.replace("data, metadata", "json_send(data), json_send(metadata)")}
from bare where position > $1 order by position limit {PAGE}"""

_decode = msgspec.json.Decoder(Added).decode


class Bare:
    """Positions come from a counter in this process, versions from the workload."""

    contiguous = False

    def __init__(self, dsn: str, *, batched: bool) -> None:
        self._dsn = dsn
        self._batched = batched
        self._positions = count(1)
        self._pool = Connections(dsn, CONNECTIONS, SCHEMA)

    async def __aenter__(self) -> Self:
        async with PostgresStore(self._dsn, schema=SCHEMA):
            """Opening the store creates the table whose columns and indexes are copied."""
        await self._pool.__aenter__()
        await self._pool.run(["create table bare (like events including all)"])
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._pool.__aexit__(*exc)

    def _row(self, stream: str, version: int) -> tuple[Any, ...]:
        id_ = event_id()
        now = datetime.now(UTC)
        return next(self._positions), stream, version, id_, "Added", DATA, None, id_, id_, now

    async def append(self, stream: str, version: int, events: int) -> None:
        if events == 1:
            await self._pool.fetch(ONE, *self._row(stream, version + 1))
        else:
            numbers = range(version + 1, version + events + 1)
            rows = [self._row(stream, number) for number in numbers]
            await self._pool.fetch(MANY, *zip(*rows, strict=True))

    async def append_together(self, streams: Sequence[tuple[str, int]]) -> bool:
        if self._batched and streams:
            rows = [self._row(stream, version + 1) for stream, version in streams]
            await self._pool.fetch(MANY, *zip(*rows, strict=True))
        return self._batched

    async def pages(self) -> AsyncIterator[int]:
        after = 0
        while rows := await self._pool.fetch(READ, after):
            yield len([_decode(row[5]) for row in rows])
            after = rows[-1][0]

    async def stored(self, after: int) -> AsyncIterator[Sequence[Row]]:
        statement = "select position, stream, version from bare where position > $1"
        rows = await self._pool.fetch(f"{statement} order by position", after)
        yield [(row[0], row[1], row[2]) for row in rows]


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    parser.add_argument("--batched", action="store_true")
    given = parser.parse_args()
    async with Bare(given.dsn, batched=given.batched) as driver:
        await serve(AsyncWorker(driver))


if __name__ == "__main__":
    uvloop.run(main())
