"""The library `logicblocks-event-store`, in an environment of its own and on psycopg's pool.

It ships no schema: the tables are made here, as its adapter reads and writes them. It is not
installed where this file is type-checked, hence the imports by name.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Self

from benchmarks.peers.asynchronous import FollowedWorker, Row, Seen
from benchmarks.peers.wire import serve
from benchmarks.peers.work import CATEGORY, NOTE, identifier

adapters: Any = import_module("logicblocks.event.store.adapters")
conditions: Any = import_module("logicblocks.event.store.conditions")
consumers: Any = import_module("logicblocks.event.processing.consumers")
services: Any = import_module("logicblocks.event.processing.services")
EventStore: Any = import_module("logicblocks.event.store").EventStore
NewEvent: Any = import_module("logicblocks.event.types").NewEvent
Projector: Any = import_module("logicblocks.event.projection").Projector
AsyncConnectionPool: Any = import_module("psycopg_pool").AsyncConnectionPool
structlog: Any = import_module("structlog")
uvloop: Any = import_module("uvloop")

CONNECTIONS = 16
PAGE = 1000
ADDED = "added"
PAYLOAD = {"amount": 42, "note": NOTE}
SCHEMA = (
    """
    create table events (
        sequence_number bigint generated always as identity,
        id text primary key,
        name text not null,
        category text not null,
        stream text not null,
        position bigint not null,
        payload jsonb not null,
        observed_at timestamptz not null,
        occurred_at timestamptz not null
    )
    """,
    # One index for each way in which the adapter looks for events: of the log, of a category in
    # order, the last of a stream. It takes a lock where another store has a unique index.
    "create index on events (sequence_number)",
    "create index on events (category, sequence_number)",
    "create index on events (category, stream, sequence_number)",
)
STORED = """
    select sequence_number, category || '-' || stream, position + 1 from events
    where sequence_number > %s order by sequence_number limit 10000
"""


@dataclass(frozen=True, slots=True)
class Added:
    amount: int
    note: str


class Counter(Projector):
    """The state of a counter, by its events; it has no aggregates."""

    def initial_state_factory(self) -> int:
        return 0

    def initial_metadata_factory(self) -> int:
        return 0

    def id_factory(self, state: int, source: Any) -> str:
        del state
        return str(source.stream)

    def update_metadata(self, state: int, metadata: int, event: Any) -> int:
        """The number of events, which the next one is appended after."""
        del state, event
        return metadata + 1

    def added(self, state: int, event: Any) -> int:
        return state + Added(**event.payload).amount


class Watch(consumers.EventProcessor):
    """Notes what it sees."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    async def process_event(self, event: Any) -> None:
        Added(**event.payload)
        self._seen(f"{event.category}-{event.stream}", event.position + 1)


class Logicblocks:
    """A store on a pool of connections.

    Args:
        dsn: the database.
        second: whether another process has made the tables.
        streams: lock only the stream that is written, not the log.
    """

    contiguous = False

    def __init__(self, dsn: str, *, second: bool, streams: bool) -> None:
        self._dsn = dsn
        self._second = second
        guarantee = adapters.EventSerialisationGuarantee
        self._guarantee = guarantee.STREAM if streams else guarantee.LOG
        self._pool = _pool(dsn)
        self._store = self._store_on(self._pool)
        self._counter = Counter()

    def _store_on(self, pool: Any) -> Any:
        return EventStore(
            adapters.PostgresEventStorageAdapter(
                connection_source=pool,
                serialisation_guarantee=self._guarantee,
                query_settings=adapters.PostgresQuerySettings(scan_query_page_size=PAGE),
            )
        )

    async def __aenter__(self) -> Self:
        await self._pool.open(wait=True)
        if not self._second:
            async with self._pool.connection() as connection:
                for statement in SCHEMA:
                    await connection.execute(statement)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._pool.close()

    def _stream(self, stream: str) -> Any:
        return self._store.stream(category=CATEGORY, stream=identifier(stream))

    async def append(self, stream: str, version: int, events: int) -> None:
        new = [NewEvent(name=ADDED, payload=PAYLOAD) for _ in range(events)]
        await self._stream(stream).publish(events=new, condition=_expected(version))

    async def append_together(self, streams: Sequence[tuple[str, int]]) -> bool:
        del streams
        return False

    async def decide(self, stream: str) -> None:
        source = self._stream(stream)
        found = await self._counter.project(source=source)
        event = NewEvent(name=ADDED, payload={"amount": found.state + 1, "note": NOTE})
        await source.publish(events=[event], condition=_expected(found.metadata))

    async def pages(self) -> AsyncIterator[int]:
        events: list[Added] = []
        async for event in self._store.category(category=CATEGORY).iterate():
            events.append(Added(**event.payload))
            if len(events) == PAGE:
                yield PAGE
                events.clear()
        yield len(events)

    @asynccontextmanager
    async def follow(self, seen: Seen, *, here: bool) -> AsyncGenerator[None]:
        """Poll, as nothing is pushed: its polling service, at its default interval."""
        del here
        async with _pool(self._dsn, size=1) as pool:
            source = self._store_on(pool).category(category=CATEGORY)
            memory = EventStore(adapters.InMemoryEventStorageAdapter())
            state = consumers.EventConsumerStateStore(
                category=memory.category(category="watch"),
                converter=consumers.StoredEventEventConsumerStateConverter(),
            )
            if last := await source.latest():
                state.record_processed(last)
            consumer = consumers.EventSourceConsumer(
                source=source, processor=Watch(seen), state_store=state
            )
            consume = services.CallableService(consumer.consume_all)
            polling = asyncio.ensure_future(services.PollingService(consume).execute())
            try:
                yield
            finally:
                polling.cancel()
                with suppress(asyncio.CancelledError):
                    await polling

    async def stored(self, after: int) -> AsyncIterator[Sequence[Row]]:
        async with self._pool.connection() as connection:
            while rows := await (await connection.execute(STORED, [after])).fetchall():
                yield rows
                after = rows[-1][0]


def _pool(dsn: str, size: int = CONNECTIONS) -> Any:
    return AsyncConnectionPool(dsn, min_size=size, max_size=size, open=False)


def _expected(version: int) -> Any:
    """The condition that a stream has so many events; their positions count from 0."""
    return conditions.position_is(version - 1) if version else conditions.stream_is_empty()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    parser.add_argument("--streams", action="store_true")
    parser.add_argument("--second", action="store_true")
    given = parser.parse_args()
    # It logs each append, by default to where the answers go.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    async with Logicblocks(given.dsn, second=given.second, streams=given.streams) as driver:
        await serve(FollowedWorker(driver))


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
