"""Bad networks: each call ends in time, by name, and nothing is stored by half."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Literal, TypeAlias, TypeVar
from uuid import uuid4

import asyncpg
import pytest

from chekov.embedded_postgres import EmbeddedPostgres
from chekov.errors import StoreError, StoreUnavailable
from chekov.store.port import (
    Appended,
    CheckpointMove,
    NewEvent,
    Snapshot,
    StreamAppend,
    SubscriptionKey,
)
from chekov.store.postgres import PostgresStore
from chekov.testing.history import Attempt, Memory, Part, check
from tests.integration.wire import Wire
from tests.store_state import listener_has_polled
from tests.waiting import until

T = TypeVar("T")
KEY = SubscriptionKey("bank", "mails")
Direction: TypeAlias = Literal["questions", "answers"]
EXECUTE = b"E\0\0\0\x09\0\0\0\0\0S\0\0\0\4"
"""The end of what is sent for a statement: to execute it, and that this is all."""
BOUND = 20
"""Seconds that no call may take: far more than it needs, far less than for ever."""


@pytest.fixture(params=["questions", "answers"])
def direction(request: pytest.FixtureRequest) -> Direction:
    """What a wire swallows."""
    return request.param


def store_at(dsn: str) -> PostgresStore:
    return PostgresStore(dsn, migrate=False, patience=0.5, statement_timeout=0.5)


class Writer:
    """Appends in every way, and remembers what came of it."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.memory: list[Attempt] = []

    async def append(self) -> bool:
        """One event where it must be, or several."""
        count = len(self.memory) % 3 + 1
        append = StreamAppend(f"s-{len(self.memory) % 4}", [event() for _ in range(count)])

        async def call() -> Sequence[Appended]:
            return [await self.store.append(append.stream, append.events)]

        return await self._noted([append], call)

    async def append_together(self) -> bool:
        appends = [StreamAppend(f"t-{n}", [event(), event()]) for n in range(3)]
        return await self._noted(appends, lambda: self.store.append_together(appends))

    async def check(self, store: PostgresStore) -> None:
        check([item async for item in store.read_all()], Memory(self.memory))

    async def _noted(
        self, appends: Sequence[StreamAppend], call: Callable[[], Awaitable[Sequence[Appended]]]
    ) -> bool:
        parts = tuple(
            Part(append.stream, tuple(item.id for item in append.events), append.expected)
            for append in appends
        )
        try:
            async with asyncio.timeout(BOUND):
                answers = await call()
        except StoreUnavailable as error:
            outcome = "unknown" if error.stored is None else "refused"
            self.memory.append(Attempt(parts, outcome))
            return False
        places = [
            part._replace(version=answer.version, position=answer.position)
            for part, answer in zip(parts, answers, strict=True)
        ]
        self.memory.append(Attempt(tuple(places), "stored"))
        return True


async def eventually(call: Callable[[], Awaitable[T]]) -> T:
    """What a call answers that may be made again, since a busy machine may take half a second."""
    async with asyncio.timeout(BOUND):
        while True:
            with suppress(StoreUnavailable):
                return await call()


def event() -> NewEvent:
    return NewEvent(uuid4(), "t", b"{}")


async def everything_else(store: PostgresStore) -> list[StoreError | None]:
    """What each of the other calls raises, in time."""

    async def lent() -> None:
        async with store.read_models.read_connection() as connection:
            await connection.fetchval("select 1")

    calls: list[Callable[[], Awaitable[object]]] = [
        store.ping,
        store.head,
        store.read_page,
        lambda: store.read_stream("s-1"),
        lambda: store.streams.info("s-1"),
        store.streams.list,
        lambda: store.streams.link("l", [10**9]),
        lambda: store.streams.delete("none"),
        lambda: store.streams.truncate("none", before=1),
        lambda: store.snapshots.save(Snapshot("s-1", 1, "k", b"x")),
        lambda: store.snapshots.load("s-1"),
        lambda: store.subscriptions.claim("one", [KEY], lease=60),
        lambda: store.subscriptions.list("bank"),
        lent,
    ]

    async def error_of(call: Callable[[], Awaitable[object]]) -> StoreError | None:
        try:
            async with asyncio.timeout(BOUND):
                await call()
        except StoreError as error:
            return error
        return None

    return await asyncio.gather(*map(error_of, calls))


@pytest.mark.usefixtures("impatient")
async def test_a_network_that_drops_everything(dsn: str, direction: Direction) -> None:
    wire = Wire(dsn)
    async with (
        PostgresStore(dsn, migrate=False) as other,
        wire.running() as through,
        store_at(through) as store,
    ):
        writer = Writer(store)
        await until(writer.append)
        await until(writer.append_together)
        await eventually(lambda: store.subscriptions.register([KEY]))
        await asyncio.gather(*(eventually(store.ping) for _ in range(5)))
        wire.swallowing = direction
        waiting = [writer.append() for _ in range(20)]
        assert not any(await asyncio.gather(*waiting, writer.append_together()))
        assert not await writer.append()
        errors = await everything_else(store)
        assert {type(error) for error in errors} == {StoreUnavailable}
        wire.swallowing = None
        await until(writer.append)
        await until(writer.append_together)
        # The listener notices too, and is notified again.
        head = await other.head()
        heard = asyncio.create_task(store.wait("events", head, 60))
        writer.store = other
        assert await writer.append()
        await heard
        assert await eventually(store.head) > head
        await writer.check(other)


@pytest.mark.usefixtures("impatient")
async def test_a_wire_that_swallows_what_a_lone_writer_sends(
    dsn: str, direction: Direction
) -> None:
    wire = Wire(dsn)
    async with wire.running() as through, store_at(through) as store:
        writer = Writer(store)
        for _ in range(4):
            await until(writer.append)
        await listener_has_polled(dsn)
        wire.swallowing = direction
        # The first one brings several events.
        assert not any(await asyncio.gather(*(writer.append() for _ in range(20))))
        wire.swallowing = None
        await until(writer.append)
        await writer.check(store)


@pytest.mark.parametrize("count", [1, 3])
async def test_an_append_whose_end_is_not_sent_keeps_nobody_waiting(dsn: str, count: int) -> None:
    """Postgres has all events, but not the word to store them; the sender says no more."""
    wire = Wire(dsn)
    async with wire.running() as through, PostgresStore(through, migrate=False) as store:
        await store.append("a", [event()])
        await listener_has_polled(dsn)
        wire.cut_off = EXECUTE
        events = [event() for _ in range(count)]
        stopped = asyncio.create_task(store.append("a", events))
        await until(lambda: wire.swallowed == len(EXECUTE))
        async with PostgresStore(dsn, migrate=False, patience=5) as other:
            assert (await other.append("b", [event()])).position == 2
        assert not stopped.done()
        wire.cut_off = b""
        stopped.cancel()
        await asyncio.wait([stopped])


@pytest.mark.usefixtures("impatient")
async def test_a_cancelled_caller_is_released_over_a_dead_network(
    dsn: str, direction: Direction
) -> None:
    wire = Wire(dsn)
    async with wire.running() as through, PostgresStore(through, migrate=False) as store:
        writer = Writer(store)
        await writer.append()
        await eventually(store.ping)
        wire.swallowing = direction
        for call in (store.read_page, store.ping, lambda: store.append("a", [event()])):
            gone = asyncio.create_task(call())
            await until(lambda: wire.swallowed > 0)
            wire.swallowed = 0
            gone.cancel()
            async with asyncio.timeout(BOUND):
                await asyncio.gather(gone, return_exceptions=True)
            assert gone.cancelled()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("moment", ["statement", "commit", "cancel"])
async def test_a_transaction_over_a_wire_that_swallows_ends(
    dsn: str, direction: Literal["questions", "answers"], moment: str
) -> None:
    wire = Wire(dsn)
    async with wire.running() as through, store_at(through) as store:
        await eventually(lambda: store.subscriptions.register([KEY]))
        [claim] = await eventually(lambda: store.subscriptions.claim("one", [KEY], lease=60))

        async def handle(position: int) -> None:
            async with store.read_models.transaction(claim, CheckpointMove(position)) as connection:
                await connection.execute("select 1")
                wire.swallowing = direction
                if moment == "statement":
                    await connection.execute("select 2")
                if moment == "cancel":
                    await asyncio.Event().wait()

        handling = asyncio.create_task(handle(7))
        if moment == "cancel":
            await until(lambda: wire.swallowing)
            handling.cancel()
        done, _ = await asyncio.wait([handling], timeout=BOUND)
        assert done
        if moment == "cancel":
            assert handling.cancelled()
        else:
            assert isinstance(handling.exception(), StoreUnavailable)
        wire.swallowing = None
        [row] = await eventually(lambda: store.subscriptions.list("bank"))
        assert row.position == 0

        async def move() -> None:
            async with store.read_models.transaction(claim, CheckpointMove(8)):
                pass

        await eventually(move)


@pytest.mark.usefixtures("impatient")
async def test_a_store_closes_over_a_wire_that_swallows(dsn: str, direction: Direction) -> None:
    wire = Wire(dsn)
    async with wire.running() as through:
        store = store_at(through)
        await store.__aenter__()
        writer = Writer(store)
        await writer.append()
        await eventually(store.ping)
        wire.swallowing = direction
        waiting = asyncio.create_task(writer.append())
        await asyncio.sleep(0)
        async with asyncio.timeout(BOUND):
            await store.__aexit__()
        assert not await waiting
    async with PostgresStore(dsn) as other:
        await writer.check(other)


@pytest.mark.usefixtures("impatient")
async def test_a_store_does_not_open_over_a_wire_that_swallows(
    dsn: str, direction: Direction
) -> None:
    wire = Wire(dsn)
    wire.swallowing = direction
    async with wire.running() as through:
        for migrate in (False, True):
            with pytest.raises(StoreUnavailable):
                async with (
                    asyncio.timeout(BOUND),
                    PostgresStore(through, migrate=migrate, patience=0.5, statement_timeout=0.5),
                ):
                    pass


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("answers", range(5))
async def test_a_server_that_goes_silent_while_a_client_connects(dsn: str, answers: int) -> None:
    """After none of its answers, or some: about TLS, and in the exchange about the password."""
    wire = Wire(dsn)
    wire.most_answers = answers
    async with wire.running() as through:
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(BOUND), store_at(through):
                pass
    assert wire.swallowed


async def test_a_slow_network_only_delays(dsn: str) -> None:
    wire = Wire(dsn)
    async with wire.running() as through, PostgresStore(through, migrate=False) as store:
        writer = Writer(store)
        assert await writer.append()
        wire.delay = 0.05
        waiting = [writer.append() for _ in range(50)]
        assert all(await asyncio.gather(*waiting, writer.append_together()))
        await writer.check(store)


async def test_answers_that_are_torn_in_the_middle(dsn: str) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 shown when the test fails
    wire = Wire(dsn, seed)
    async with wire.running() as through, PostgresStore(through, migrate=False) as store:
        writer = Writer(store)
        assert await writer.append()
        wire.cut = 0.05

        async def work(number: int) -> None:
            for _ in range(25):
                await (writer.append_together() if number == 0 else writer.append())
                with suppress(StoreUnavailable):
                    await store.read_page(limit=5)

        await asyncio.gather(*map(work, range(6)))
        assert wire.torn > 5
        wire.cut = 0
        await until(writer.append)
        await writer.check(store)


async def test_a_full_pool_makes_readers_wait_and_then_gives_up(dsn: str) -> None:
    async with PostgresStore(dsn, migrate=False, pool_size=2, patience=0.2) as store:
        await store.append("a", [event()])
        blocker = await asyncpg.connect(dsn)
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("lock table chekov.events in access exclusive mode")
        reading = [asyncio.create_task(store.read_page()) for _ in range(20)]
        done, _ = await asyncio.wait(reading, timeout=BOUND, return_when="FIRST_COMPLETED")
        assert {type(task.exception()) for task in done} == {StoreUnavailable}
        await transaction.rollback()
        answers = await asyncio.gather(*reading, return_exceptions=True)
        kinds = {type(answer) for answer in answers}
        assert kinds <= {StoreUnavailable, list}
        assert len(await eventually(store.read_page)) == 1
        await blocker.close()


async def test_a_server_without_room_for_connections(private_server: EmbeddedPostgres) -> None:
    async with PostgresStore(private_server.dsn, patience=0.3) as store:
        writer = Writer(store)
        await until(writer.append)
        hogs: list[asyncpg.Connection[asyncpg.Record]] = []
        await eventually(store.ping)
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                hogs.append(await asyncpg.connect(private_server.dsn))
        await hogs[0].execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name like 'chekov%'"
        )
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                hogs.append(await asyncpg.connect(private_server.dsn))
        assert not await writer.append()
        with pytest.raises(StoreUnavailable):
            await store.read_page()
        for hog in hogs:
            await hog.close()
        await until(writer.append)
        await writer.check(store)
