"""Connections and servers die in the middle of a load; no acknowledged event is lost or doubled."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from chekov.domain.event_filter import EventFilter
from chekov.embedded_postgres import EmbeddedPostgres
from chekov.errors import StoreUnavailable, WrongExpectedVersion
from chekov.store.port import Key, NewEvent
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.append import append_connection, committer
from chekov.store.postgres.connection_options import STATEMENT_SECONDS
from tests.store_state import listener_has_polled
from tests.waiting import until

WRITERS = 24
READY: Final = b"Z\0\0\0\5"
"""The message by which Postgres reports that a statement is done, and so committed."""


class Load:
    """Writers that append to a few streams and remember what was acknowledged.

    Args:
        store: where they append.
        name: of their own streams.
        contended: whether they share streams with others, and so run into conflicts.
    """

    def __init__(self, store: PostgresStore, name: str, *, contended: bool) -> None:
        self.store = store
        self.name = name
        self.contended = contended
        self.acknowledged: dict[UUID, tuple[int, str, int]] = {}
        self.unknown: set[UUID] = set()
        self.conflicts = 0
        self.stopping = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for writer in range(WRITERS):
                group.create_task(self._write(writer, random.Random(writer)))

    async def reaches(self, count: int) -> None:
        """Wait until this many more events are acknowledged."""
        target = len(self.acknowledged) + count
        while len(self.acknowledged) < target:
            await self.store.wait("events", self.head, 0.1)
            await asyncio.sleep(0.01)

    @property
    def head(self) -> int:
        return max((place[0] for place in self.acknowledged.values()), default=0)

    async def _write(self, writer: int, choice: random.Random) -> None:
        shared = f"shared-{writer % 4}"
        own = f"{self.name}-{writer}"
        versions = {shared: 0, own: 0}
        for turn in count():
            if self.stopping:
                return
            if turn % 10 == 9:
                own = f"{self.name}-{writer}-{turn}"
                versions[own] = 0
            stream = choice.choice((shared, own)) if self.contended else own
            expected = choice.choice((-1, versions[stream]))
            events = [NewEvent(uuid4(), "t", b"{}") for _ in range(choice.choice((1, 1, 3)))]
            try:
                answer = await self.store.append(stream, events, expected=expected)
            except WrongExpectedVersion as conflict:
                versions[stream] = conflict.actual
                self.conflicts += 1
            except StoreUnavailable as error:
                if error.stored is None:
                    self.unknown.update(event.id for event in events)
            else:
                versions[stream] = answer.version
                for item in answer.recorded:
                    self.acknowledged[item.id] = (item.position, item.stream, item.version)


async def follow(store: PostgresStore, seen: list[int]) -> None:
    """A live reader: every position once, in order, however the database fares."""
    while True:
        after = seen[-1] if seen else 0
        try:
            await store.wait("events", after, 0.2)
            page = await store.tail.after(after) or await store.read_page(after=after)
        except StoreUnavailable:
            continue
        assert not page or page[0].position == after + 1
        seen += [item.position for item in page]


async def reaches(seen: list[int], head: int) -> None:
    while True:
        if seen and seen[-1] >= head:
            return
        await asyncio.sleep(0.01)


async def check(store: PostgresStore, *loads: Load) -> None:
    """History is whole: contiguous, and holds what was acknowledged where it was acknowledged."""
    history = [item async for item in store.read_all()]
    assert [item.position for item in history] == list(range(1, len(history) + 1))
    ends: Counter[str] = Counter()
    for item in history:
        ends[item.stream] += 1
        assert item.version == ends[item.stream]
    stored = {item.id: (item.position, item.stream, item.version) for item in history}
    assert len(stored) == len(history)
    acknowledged = {key: place for load in loads for key, place in load.acknowledged.items()}
    assert acknowledged.items() <= stored.items()
    unknown = {key for load in loads for key in load.unknown}
    assert stored.keys() - acknowledged.keys() <= unknown


async def under_load(
    dsn: str, trouble: Callable[[Load], Awaitable[None]], *, names: Sequence[str]
) -> None:
    """Stores write and one follows while there is trouble, each like a process of its own."""
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(PostgresStore(dsn, patience=30)) for _ in names]
        loads = [
            Load(store, name, contended=len(names) > 1)
            for store, name in zip(stores, names, strict=True)
        ]
        seen: list[int] = []
        async with asyncio.TaskGroup() as group:
            following = group.create_task(follow(stores[-1], seen))
            writing = [group.create_task(load.run()) for load in loads]
            await loads[0].reaches(200)
            if len(names) == 1:
                await until(lambda: has_taken_no_turn(dsn))
            await trouble(loads[0])
            for load in loads:
                await load.reaches(200)
            for load in loads:
                load.stopping = True
            await asyncio.gather(*writing)
            head = await stores[0].head()
            async with asyncio.timeout(240):
                await reaches(seen, head)
            following.cancel()
        assert seen == list(range(1, head + 1))
        await check(stores[0], *loads)
        assert sum(load.conflicts for load in loads) > 0 or len(names) == 1


async def has_taken_no_turn(dsn: str) -> bool:
    """Whether an append connection sent a batch last that goes where a lone writer knows."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(
            "select exists (select from pg_stat_activity where datname = current_database()"
            " and application_name = 'chekov committer'"
            " and query like 'insert into %events%select%unnest%')"
        )
    finally:
        await connection.close()


@pytest.fixture(params=[("one",), ("one", "two")], ids=["alone", "contended"])
def names(request: pytest.FixtureRequest) -> Sequence[str]:
    """The writers."""
    return request.param


async def test_a_load_leaves_a_whole_history(dsn: str, names: Sequence[str]) -> None:
    async def none(load: Load) -> None:
        await load.reaches(500)

    await under_load(dsn, none, names=names)


async def test_terminated_connections_lose_nothing(dsn: str, names: Sequence[str]) -> None:
    async def terminate(load: Load) -> None:
        connection = await asyncpg.connect(dsn)
        for _ in range(5):
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
            await load.reaches(100)
        await connection.close()

    await under_load(dsn, terminate, names=names)


async def test_cancelled_statements_lose_nothing(dsn: str, names: Sequence[str]) -> None:
    async def cancel(load: Load) -> None:
        connection = await asyncpg.connect(dsn)
        for _ in range(10):
            await connection.execute(
                "select pg_cancel_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
            await load.reaches(50)
        await connection.close()

    await under_load(dsn, cancel, names=names)


async def test_a_killed_server_loses_nothing(
    private_server: EmbeddedPostgres, names: Sequence[str]
) -> None:
    async def kill(load: Load) -> None:
        for _ in range(3):
            await private_server.kill()
            await private_server.start()
            await load.reaches(100)

    await under_load(private_server.dsn, kill, names=names)


async def test_a_server_that_stays_away_is_reported_in_time(
    private_server: EmbeddedPostgres,
) -> None:
    async with PostgresStore(private_server.dsn, patience=0.3) as store:
        first = NewEvent(uuid4(), "t", b"{}")
        await store.append("a", [first])
        await private_server.stop()
        with pytest.raises(StoreUnavailable) as caught:
            await store.append("a", [NewEvent(uuid4(), "t", b"{}")])
        password = private_server.dsn.split(":")[2].split("@")[0]
        assert password not in str(caught.value)
        with pytest.raises(StoreUnavailable):
            await store.read_page()
        with pytest.raises(StoreUnavailable):
            await store.ping()
        with pytest.raises(StoreUnavailable):
            await store.subscriptions.list("bank")
        await private_server.start()
        answer = await store.append("a", [NewEvent(uuid4(), "t", b"{}")], expected=1)
        assert (answer.version, answer.position) == (2, 2)
        await store.ping()


class Proxy:
    """A wire to Postgres that breaks once, when a certain question was answered.

    Attributes:
        question: bytes of the question.
        broken: how often it broke.
    """

    def __init__(self, dsn: str, question: bytes) -> None:
        self._parts = urlsplit(dsn)
        self.question = question
        self.broken = 0

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[str]:
        """Where to connect instead."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        user = self._parts.netloc.rpartition("@")[0]
        port = server.sockets[0].getsockname()[1]
        try:
            yield self._parts._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        asked = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask(reader, back[1], asked))
            group.create_task(self._answer(back[0], writer, asked))

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            if self.question in data and not self.broken:
                asked.set()
            writer.write(data)
        writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            if asked.is_set() and READY in data:
                self.broken += 1
                break
            writer.write(data)
        writer.close()


@pytest.mark.parametrize("expected", [-1, 0, 1])
@pytest.mark.parametrize("count", [1, 2])
async def test_an_append_whose_answer_was_lost_is_answered_once(
    dsn: str, expected: int, count: int
) -> None:
    """The statement commits, and the connection breaks before its answer comes."""
    proxy = Proxy(dsn, b"second-event")
    async with proxy.running() as wire, PostgresStore(wire) as store:
        if expected == 1:
            await store.append("a", [NewEvent(uuid4(), "first-event", b"{}")])
            # A writer that knows itself alone inserts one event right where it must be.
            await listener_has_polled(dsn)
        events = [NewEvent(uuid4(), "second-event", b"{}") for _ in range(count)]
        answer = await store.append("a", events, expected=expected)
        assert proxy.broken == 1
        before = max(expected, 0)
        assert (answer.version, answer.position) == (before + count, before + count)
        assert list(await store.read_stream("a", after=before)) == list(answer.recorded)
        assert await store.head() == before + count


async def test_a_batch_whose_answer_was_lost_is_answered_once(dsn: str) -> None:
    """One of a writer that knows itself alone, and inserts it right where it must be."""
    proxy = Proxy(dsn, b"second-event")
    async with proxy.running() as wire, PostgresStore(wire) as store:
        names = [f"a-{number}" for number in range(5)]
        for name in names:
            await store.append(name, [NewEvent(uuid4(), "first-event", b"{}")])
        await listener_has_polled(dsn)
        # The first append goes by itself, the others together.
        types = ["first-event", *["second-event"] * 4]
        answers = await asyncio.gather(
            *(
                store.append(name, [NewEvent(uuid4(), type_, b"{}")], expected=1)
                for name, type_ in zip(names, types, strict=True)
            )
        )
        assert proxy.broken == 1
        recorded = sorted(item for answer in answers for item in answer.recorded)
        assert recorded == list(await store.read_page(after=5))
        assert [item.position for item in recorded] == list(range(6, 11))


async def test_a_lost_answer_is_found_with_its_times(dsn: str) -> None:
    """Those of the events that brought one, and the store's for the others."""
    proxy = Proxy(dsn, b"second-event")
    async with proxy.running() as wire, PostgresStore(wire) as store:
        day = datetime(2024, 1, 1, tzinfo=UTC)
        times = (day, None, day + timedelta(days=1), None)
        events = [NewEvent(uuid4(), "second-event", b"{}", time=time) for time in times]
        answer = await store.append("a", events)
        assert proxy.broken == 1
        assert list(await store.read_stream("a")) == list(answer.recorded)
        assert [item.time for item in answer.recorded][::2] == [times[0], times[2]]


async def test_a_lone_writer_does_not_assume_the_version_of_an_erased_stream(dsn: str) -> None:
    """Its versions are free again, which only a query can find out."""
    async with PostgresStore(dsn) as store:
        for version in range(3):
            await store.append("a", [NewEvent(uuid4(), "t", b"{}")], expected=version)
        await listener_has_polled(dsn)
        await store.streams.delete("a", erase=True)
        await store.append("b", [NewEvent(uuid4(), "t", b"{}")])
        with pytest.raises(WrongExpectedVersion):
            await store.append("a", [NewEvent(uuid4(), "t", b"{}")], expected=3)
        assert not await store.read_page(filter=EventFilter(prefix="a"))


async def test_an_overdue_append_is_looked_up(
    dsn: str, postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer holds its turn; then the connection is thought lost, and nothing doubled."""
    monkeypatch.setattr(append_connection, "GRACE_SECONDS", 0.2 - STATEMENT_SECONDS)
    monkeypatch.setattr(committer, "_WATCH_SECONDS", 0.02)
    await postgres_store.append("a", [NewEvent(uuid4(), "t", b"{}")])
    other, watch = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    transaction = other.transaction()
    await transaction.start()
    await other.execute("lock table chekov.events in share row exclusive mode")
    appending = asyncio.create_task(
        postgres_store.append("a", [NewEvent(uuid4(), "t", b"{}")], expected=1)
    )
    pids = "select array_agg(pid) from pg_stat_activity where application_name = $1"
    first = await watch.fetchval(pids, "chekov committer")

    async def is_lost() -> bool:
        return await watch.fetchval(pids, "chekov committer") != first

    await until(is_lost)
    await transaction.rollback()
    assert (await appending).version == 2
    assert await postgres_store.head() == 2
    await other.close()
    await watch.close()


async def test_forgetting_whose_answer_was_lost_is_answered_all_the_same(
    dsn: str, postgres_store: PostgresStore
) -> None:
    key = Key(uuid4(), "ada", b"k" * 32)
    await postgres_store.keys.offer_keys([key])
    proxy = Proxy(dsn, key.id.bytes)
    async with proxy.running() as wire, PostgresStore(wire, migrate=False) as store:
        assert list(await store.keys.forget_keys(["ada"])) == ["ada"]
        assert proxy.broken == 1
        assert list(await store.keys.forget_keys(["ada"])) == []
    assert await postgres_store.keys.keys([key.id]) == {key.id: None}
