"""The library `eventsourcing`, in an environment of its own and driven with threads.

It is not installed where this file is type-checked, hence the imports by name.
"""

import argparse
import asyncio
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_OID, UUID, uuid5

from benchmarks.measure import Load, Rate
from benchmarks.peers.deliveries import Deliveries
from benchmarks.peers.threads import measure_threads, run_threads
from benchmarks.peers.wire import Checked, Measured, serve
from benchmarks.peers.work import (
    CATEGORY,
    MOST_FAULTS,
    NOTE,
    Appends,
    Decisions,
    Ledger,
    order_faults,
)
from benchmarks.peers.workers.eventsourcing_processes import steps

Aggregate: Any = import_module("eventsourcing.domain").Aggregate
event: Any = import_module("eventsourcing.domain").event
Application: Any = import_module("eventsourcing.application").Application
NotFound: Any = import_module("eventsourcing.application").AggregateNotFoundError
StoredEvent: Any = import_module("eventsourcing.persistence").StoredEvent
Subscription: Any = import_module("eventsourcing.projection").ApplicationSubscription

Projection: Any = import_module("eventsourcing.projection").Projection
Runner: Any = import_module("eventsourcing.projection").ProjectionRunner
Sql: Any = import_module("psycopg.sql").SQL
Recorder: Any = import_module("eventsourcing.postgres").PostgresTrackingRecorder

CONNECTIONS = 16
PAGE = 5000
_TOTALS = """
    create table if not exists totals (stream uuid primary key, events bigint, version bigint)
"""
_UPSERT = """
    insert into totals values (%s, 1, %s)
    on conflict (stream) do update set events = totals.events + 1, version = excluded.version
    where totals.version + 1 = excluded.version
"""
"""Leaves a stream as it is when events are missing, doubled or out of order."""
_COUNTS = """
    select coalesce(sum(events), 0) as events, count(*) filter (where events <> version) as wrong
    from totals
"""
WARM_UP = 0.2
SETTLE = 30.0


class Counter(Aggregate):
    """The same aggregate as everywhere; the first addition creates it."""

    @event("Started")
    def __init__(self, name: str, amount: int, note: str) -> None:
        self.name = name
        self.total = amount
        self.note = note

    @staticmethod
    def create_id(name: str) -> UUID:
        return uuid5(NAMESPACE_OID, name)

    @event("Added")
    def add(self, amount: int, note: str) -> None:
        self.total += amount
        self.note = note


class Totals(Recorder):
    """How many events each stream has, in one transaction with what was processed."""

    def __init__(self, datastore: Any, **kwargs: Any) -> None:
        Recorder.__init__(self, datastore, **kwargs)
        self.sql_create_statements.append(Sql(_TOTALS))

    def add(self, stream: UUID, version: int, tracking: Any) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(_UPSERT, (stream, version), prepare=True)

    def counts(self) -> tuple[int, int]:
        """The number of events, and of streams that do not hold each of theirs once."""
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(_COUNTS)
            row = cursor.fetchone()
        return int(row["events"]), int(row["wrong"])


class Adding(Projection):
    """Adds each event to the totals."""

    name = "totals"

    def process_event(self, domain_event: Any, tracking: Any) -> None:
        self.view.add(domain_event.originator_id, domain_event.originator_version, tracking)


class Eventsourcing:
    """An application on Postgres, measured with as many threads as operations in flight."""

    def __init__(self, dsn: str, *, fast: bool) -> None:
        self._environment = environment(dsn, fast=fast)
        self._application = Application(env=self._environment)
        self._recorder = self._application.recorder
        self._ledger = Ledger()
        self._names: dict[UUID, str] = {}
        self._ids: dict[str, UUID] = {}
        self._topic, self._state = self._payload()

    def _payload(self) -> tuple[str, bytes]:
        """The stored form of one addition, as its own mapper writes it."""
        aggregate = Counter(name="", amount=1, note=NOTE)
        aggregate.add(amount=1, note=NOTE)
        stored = self._application.mapper.to_stored_event(aggregate.pending_events[-1])
        return stored.topic, stored.state

    def _id(self, stream: str) -> UUID:
        found = self._ids.get(stream)
        if found is None:
            found = self._ids[stream] = Counter.create_id(stream)
            self._names[found] = stream
        return found

    async def append(self, load: Load) -> Measured:
        names = Appends(load)
        acknowledged = self._ledger.acknowledged

        def one(worker: int) -> None:
            stream = names.next(worker)
            self._insert(stream, acknowledged[stream], load.events)
            acknowledged[stream] += load.events

        return await measure_threads(load, one)

    def _insert(self, stream: str, version: int, events: int) -> None:
        id_ = self._id(stream)
        self._recorder.insert_events(
            [
                StoredEvent(id_, version + number, self._topic, self._state)
                for number in range(1, events + 1)
            ]
        )

    async def decide(self, load: Load) -> Measured:
        names = Decisions(load)
        acknowledged = self._ledger.acknowledged
        repository = self._application.repository

        def one(worker: int) -> None:
            stream = names.next(worker)
            id_ = self._id(stream)
            try:
                aggregate = repository.get(id_)
            except NotFound:
                aggregate = Counter(name=stream, amount=1, note=NOTE)
            else:
                aggregate.add(amount=1, note=NOTE)
            self._application.save(aggregate)
            acknowledged[stream] += 1

        return await measure_threads(load, one)

    async def catch_up(self, seconds: float) -> Measured:
        return await asyncio.to_thread(self._catch_up, seconds)

    def _catch_up(self, seconds: float) -> Measured:
        """Read pages of the notification log, which was faster than its subscription."""
        started = time.perf_counter()
        mapper = self._application.mapper
        count = start = 0
        while page := self._recorder.select_notifications(start + 1, PAGE):
            count += len([mapper.to_domain_event(item) for item in page])
            start = page[-1].id
            if time.perf_counter() - started > seconds:
                return Measured(Rate(count, time.perf_counter() - started))
        rate = Rate(count, time.perf_counter() - started)
        missed = self._ledger.total - count
        return Measured(rate, [f"{missed} events were not read"] if missed else ())

    async def project(self, seconds: float) -> Measured:
        return await asyncio.to_thread(self._project, seconds)

    def _project(self, seconds: float) -> Measured:
        """Build the table, or as much of it as the time allows."""
        last = self._recorder.max_notification_id()
        started = time.perf_counter()
        with Runner(
            application_class=Application,
            projection_class=Adding,
            view_class=Totals,
            env=self._environment,
        ) as runner:
            with suppress(TimeoutError):
                runner.wait(last, timeout=seconds)
            events, _ = runner.view.counts()
            elapsed = time.perf_counter() - started
        _, wrong = runner.view.counts()
        runner.view.datastore.close()
        faults = [f"{wrong} streams of the table do not hold each event once"] if wrong else ()
        wanted = self._ledger.total
        note = f"stopped after {events} of {wanted} events" if events < wanted else ""
        return Measured(Rate(events, elapsed), faults, note)

    async def process(self, seconds: float) -> Measured:
        return await asyncio.to_thread(steps, self._environment, seconds)

    async def live(self, load: Load, per_second: int, *, here: bool) -> Measured:
        """The subscription has a connection of its own in any case."""
        del here
        return await asyncio.to_thread(self._live, load, per_second)

    def _live(self, load: Load, per_second: int) -> Measured:
        stream = f"{CATEGORY}-{load.name}-0-0"
        called: list[float] = []
        seen: list[tuple[int, float]] = []
        with self._following(lambda _, version: seen.append((version, time.perf_counter()))):
            started = time.perf_counter()
            for number in range(int(per_second * load.seconds)):
                now = time.perf_counter()
                if now - started > load.seconds * 2:
                    break
                time.sleep(max(0.0, started + number / per_second - now))
                called.append(time.perf_counter())
                self._insert(stream, number, 1)
                self._ledger.acknowledged[stream] += 1
            elapsed = time.perf_counter() - started
            deadline = time.perf_counter() + SETTLE
            while len(seen) < len(called) and time.perf_counter() < deadline:
                time.sleep(0.01)
        latencies = [at - called[version - 1] for version, at in seen]
        faults = order_faults([version for version, _ in seen], len(called))
        return Measured(Rate(len(called), elapsed, latencies), faults)

    async def live_busy(self, load: Load) -> Measured:
        return await asyncio.to_thread(self._live_busy, load)

    def _live_busy(self, load: Load) -> Measured:
        deliveries, names = Deliveries(), Appends(load)
        acknowledged = self._ledger.acknowledged

        def one(worker: int) -> None:
            stream = names.next(worker)
            version = acknowledged[stream]
            deliveries.call(stream, version + 1)
            self._insert(stream, version, 1)
            acknowledged[stream] += 1

        with self._following(lambda id_, version: deliveries.note(self._names[id_], version)):
            run_threads(load, one)
            while not deliveries.are_over():
                time.sleep(0.01)
        return deliveries.measured()

    @contextmanager
    def _following(self, seen: Callable[[UUID, int], None]) -> Generator[None]:
        with Subscription(self._application, gt=self._recorder.max_notification_id()) as events:

            def follow() -> None:
                for domain_event, _tracking in events:
                    seen(domain_event.originator_id, domain_event.originator_version)

            thread = threading.Thread(target=follow)
            thread.start()
            try:
                yield
            finally:
                events.stop()
                thread.join()

    async def idle(self, seconds: float) -> None:
        def wait() -> None:
            with self._following(lambda _id, _version: None):
                time.sleep(seconds)

        await asyncio.to_thread(wait)

    async def check(self) -> Checked:
        return await asyncio.to_thread(self._check)

    def _check(self) -> Checked:
        ledger = self._ledger
        faults: list[str] = []
        while page := self._recorder.select_notifications(ledger.position + 1, PAGE):
            rows = [
                (item.id, self._names.get(item.originator_id, "?"), item.originator_version)
                for item in page
            ]
            faults += ledger.check(rows, contiguous=False)
        faults += ledger.missing()
        return Checked(ledger.stored, ledger.total, faults[:MOST_FAULTS])

    def acknowledged(self) -> Mapping[str, int]:
        return self._ledger.acknowledged

    def merge(self, streams: Mapping[str, int]) -> None:
        for stream in streams:
            self._id(stream)
        self._ledger.merge(streams)

    def close(self) -> None:
        self._application.close()


class Conditions(Eventsourcing):
    """Its consistency boundaries: appends with two tags and a condition on both."""

    def __init__(self, dsn: str, *, fast: bool) -> None:
        Eventsourcing.__init__(self, dsn, fast=fast)
        api = import_module("eventsourcing.dcb.api")
        module = "eventsourcing.dcb.postgres_tt"
        self._api = api
        self._boundaries = import_module("eventsourcing.dcb.application").DCBApplication(
            {**self._environment, "PERSISTENCE_MODULE": module}
        )
        self._positions: dict[str, int] = {}

    def _insert(self, stream: str, version: int, events: int) -> None:
        api, tags = self._api, [f"course:{stream}", f"student:{stream}"]
        items = [api.DCBQueryItem(types=[self._topic], tags=[tag]) for tag in tags]
        condition = api.DCBAppendCondition(api.DCBQuery(items), self._positions.get(stream))
        self._positions[stream] = self._boundaries.recorder.append(
            [
                api.DCBEvent(self._topic, f"{version + number}|".encode() + self._state, tags)
                for number in range(1, events + 1)
            ],
            condition,
        )

    def _check(self) -> Checked:
        ledger = self._ledger
        rows = [
            (
                item.position,
                item.event.tags[0].removeprefix("course:"),
                int(item.event.data.partition(b"|")[0]),
            )
            for item in self._boundaries.recorder.read(after=ledger.position)
        ]
        faults = [*ledger.check(rows, contiguous=False), *ledger.missing()]
        return Checked(ledger.stored, ledger.total, faults[:MOST_FAULTS])

    def close(self) -> None:
        self._boundaries.close()
        Eventsourcing.close(self)


def environment(dsn: str, *, fast: bool) -> dict[str, str]:
    """The defaults; with `fast`, also its functions in the database and its aggregate cache."""
    parts = urlsplit(dsn)
    settings = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path.removeprefix("/"),
        "POSTGRES_HOST": parts.hostname or "127.0.0.1",
        "POSTGRES_PORT": str(parts.port or 5432),
        "POSTGRES_USER": parts.username or "postgres",
        "POSTGRES_PASSWORD": parts.password or "none",
        "POSTGRES_POOL_SIZE": str(CONNECTIONS),
        "POSTGRES_MAX_OVERFLOW": "0",
        "POSTGRES_IDLE_IN_TRANSACTION_SESSION_TIMEOUT": "60",
    }
    if fast:
        settings |= {"POSTGRES_ENABLE_DB_FUNCTIONS": "y", "AGGREGATE_CACHE_MAXSIZE": "4096"}
    return settings


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--conditions", action="store_true")
    given = parser.parse_args()
    kind = Conditions if given.conditions else Eventsourcing
    worker = kind(given.dsn, fast=given.fast)
    try:
        await serve(worker)
    finally:
        worker.close()


if __name__ == "__main__":
    asyncio.run(main())
