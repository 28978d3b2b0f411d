"""The library `eventsource-py`, in an environment of its own and with its asyncpg driver.

It is not installed where this file is type-checked, hence the imports by name.
"""

import argparse
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, Self
from uuid import NAMESPACE_OID, UUID, uuid5

from benchmarks.peers.asynchronous import FollowedWorker, Row, Seen
from benchmarks.peers.wire import serve
from benchmarks.peers.work import CATEGORY, NOTE, event_id

eventsource: Any = import_module("eventsource")
subscriptions: Any = import_module("eventsource.application.subscriptions")
BaseModel: Any = import_module("pydantic").BaseModel
text: Any = import_module("sqlalchemy").text
uvloop: Any = import_module("uvloop")

CONNECTIONS = 16
PAGE = 1000
STORED = text(
    "select global_position, aggregate_id, version from events"
    " where global_position > :after order by global_position limit 10000"
)


@eventsource.register_event
class Added(eventsource.DomainEvent):
    aggregate_type: str = CATEGORY
    amount: int
    note: str


class Add(eventsource.DomainCommand):
    counter: UUID
    note: str


class Total(BaseModel):
    total: int = 0


class Counter(eventsource.DeciderAggregate):
    """The same aggregate as everywhere."""

    aggregate_type = CATEGORY

    @staticmethod
    def initial_state() -> Total:
        return Total()

    @staticmethod
    def decide(command: Add, state: Total) -> list[Added]:
        return [Added(aggregate_id=command.counter, amount=state.total + 1, note=command.note)]

    @staticmethod
    def evolve(state: Total, event: Added) -> Total:
        return state.model_copy(update={"total": state.total + event.amount})


class Watch:
    """A subscriber that notes what it sees."""

    def __init__(self, streams: Mapping[UUID, str], seen: Seen) -> None:
        self._streams = streams
        self._seen = seen

    def subscribed_to(self) -> list[type[Added]]:
        return [Added]

    async def handle(self, event: Any) -> None:
        self._seen(self._streams[event.aggregate_id], event.aggregate_version)


class EventsourcePy:
    """Its store on a pool of connections; it identifies streams by UUID.

    Args:
        dsn: the database, in which the store creates its schema.
    """

    contiguous = False

    def __init__(self, dsn: str) -> None:
        self._engine = eventsource.create_async_engine(
            dsn.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=CONNECTIONS,
            max_overflow=0,
        )
        self._store = eventsource.PostgreSQLEventStore(
            self._engine, create_schema=True, owns_engine=True
        )
        self._repository = eventsource.AggregateRepository(
            self._store, Counter, enable_tracing=False
        )
        self._bus: Any = None
        self._ids: dict[str, UUID] = {}
        self._streams: dict[UUID, str] = {}

    async def __aenter__(self) -> Self:
        await self._store.current_position()  # which creates the schema
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._store.close()

    def identify(self, stream: str) -> UUID:
        """The UUID of a stream, whose name `stored` then knows."""
        known = self._ids.get(stream)
        if known is None:
            known = self._ids[stream] = uuid5(NAMESPACE_OID, stream)
            self._streams[known] = stream
        return known

    async def append(self, stream: str, version: int, events: int) -> None:
        aggregate = self.identify(stream)
        new = [
            Added(
                event_id=event_id(),
                aggregate_id=aggregate,
                aggregate_version=version + number,
                amount=42,
                note=NOTE,
            )
            for number in range(1, events + 1)
        ]
        await self._store.append(
            eventsource.StreamId(aggregate, CATEGORY),
            new,
            eventsource.ExpectedVersion.exact(version),
        )
        if self._bus:
            await self._bus.publish(new)

    async def append_together(self, streams: Sequence[tuple[str, int]]) -> bool:
        del streams
        return False

    async def decide(self, stream: str) -> None:
        aggregate = self.identify(stream)
        await self._repository.execute(aggregate, Add(counter=aggregate, note=NOTE))

    async def pages(self) -> AsyncIterator[int]:
        options = eventsource.FeedReadOptions(limit=PAGE)
        page, position = await self._page(None, options)
        while page:
            yield page
            page, position = await self._page(position, options)

    async def _page(self, after: Any, options: Any) -> tuple[int, Any]:
        count = 0
        async for envelope in self._store.read_all(after, options):
            count += 1
            after = envelope.position
        return count, after

    @asynccontextmanager
    async def follow(self, seen: Seen, *, here: bool) -> AsyncGenerator[None]:
        """Its bus wakes the subscriber, which then reads the feed.

        Raises:
            ValueError: the subscriber is to have a store of its own.
        """
        if not here:
            raise ValueError("between processes, its bus is Redis, RabbitMQ or Kafka")
        self._bus = eventsource.InMemoryEventBus(enable_tracing=False)
        manager = subscriptions.SubscriptionManager(
            self._store,
            self._bus,
            eventsource.InMemoryCheckpointRepository(),
            enable_tracing=False,
        )
        config = subscriptions.SubscriptionConfig(start_from="end")
        await manager.subscribe(Watch(self._streams, seen), config, name="watch")
        await manager.start()
        try:
            yield
        finally:
            self._bus = None
            await manager.stop()

    async def stored(self, after: int) -> AsyncIterator[Sequence[Row]]:
        async with self._engine.connect() as connection:
            while rows := (await connection.execute(STORED, {"after": after})).all():
                yield [(row[0], self._streams.get(row[1], str(row[1])), row[2]) for row in rows]
                after = rows[-1][0]


class Worker(FollowedWorker):
    """Learns the names of the streams of another process before it checks them."""

    def __init__(self, driver: EventsourcePy) -> None:
        super().__init__(driver)
        self._driver_of_names = driver

    def merge(self, streams: Mapping[str, int]) -> None:
        for stream in streams:
            self._driver_of_names.identify(stream)
        super().merge(streams)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    given = parser.parse_args()
    async with EventsourcePy(given.dsn) as driver:
        await serve(Worker(driver))


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
