"""A process that writes alone appends at the position it knows, without waiting for its turn.

An unseen writer, a refusal, or a duplicate id makes it look the position up again.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chekov.errors import (
    DuplicateCommand,
    DuplicateEvent,
    StreamDeleted,
    StreamExists,
    WrongExpectedVersion,
)
from chekov.store.port import Appended, Expected, NewEvent, RecordedEvent
from chekov.store.postgres import PostgresStore
from tests.store_state import append_lock_held, blocks_another, listener_has_polled
from tests.waiting import until

STREAMS = [f"account-{number}" for number in range(20)]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PATIENCE = 20.0


def event(
    id_: UUID | None = None, data: bytes = b'{"n":1}', time: datetime | None = None
) -> NewEvent:
    return NewEvent(id_ or uuid4(), "Happened", data, b'{"by":"me"}', uuid4(), uuid4(), time)


@pytest.fixture
async def store(dsn: str) -> AsyncGenerator[PostgresStore]:
    """A store with some streams, whose process knows that it is alone."""
    async with PostgresStore(dsn) as store:
        await asyncio.gather(*(store.append(stream, [event()]) for stream in STREAMS))
        await listener_has_polled(dsn)
        yield store


@asynccontextmanager
async def unseen(dsn: str, position: int, stream: str) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    """An append of another process that was not seen yet; it commits when the block ends."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(
                "insert into chekov.events (position, stream, version, id, type, data, time)"
                " values ($1, $2, 2, gen_random_uuid(), 'Happened', '{}', now())",
                position,
                stream,
            )
            yield connection
    finally:
        await connection.close()


async def history(store: PostgresStore) -> Sequence[RecordedEvent]:
    """Everything, found to be without gaps."""
    page = await store.read_page(limit=1000)
    assert [item.position for item in page] == list(range(1, len(page) + 1))
    for stream in {item.stream for item in page}:
        versions = [item.version for item in page if item.stream == stream]
        assert versions == list(range(1, len(versions) + 1))
    return page


def recorded(answers: Sequence[Appended]) -> list[RecordedEvent]:
    return sorted(item for answer in answers for item in answer.recorded)


async def test_a_batch_takes_no_turn_and_is_stored_as_answered(
    dsn: str, store: PostgresStore
) -> None:
    appends = [
        *((stream, [event()], 1) for stream in STREAMS[:5]),
        *((stream, [event()], Expected.ANY) for stream in STREAMS[5:10]),
        *(
            (stream, [event(), event(data=b"\x80")], Expected.STREAM_EXISTS)
            for stream in STREAMS[10:15]
        ),
        *((stream, [event(time=LONG_AGO), event()], Expected.ANY) for stream in STREAMS[15:]),
        # Of one stream, and therefore together.
        *((STREAMS[5], [event()], Expected.ANY) for _ in range(3)),
    ]
    async with append_lock_held(dsn) as holder, asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(
            *(
                store.append(stream, events, expected=expected)
                for stream, events, expected in appends
            )
        )
        turn = asyncio.create_task(store.append("new", [event()]))
        await until(lambda: blocks_another(holder))
    answers.append(await turn)
    page = await history(store)
    assert recorded(answers) == list(page[len(STREAMS) :])
    assert [item.id for item in page].count(page[-1].id) == 1
    assert sum(item.time == LONG_AGO for item in page) == 5


async def test_an_unseen_writer_is_detected(dsn: str, store: PostgresStore) -> None:
    # The first append is sent alone, the others in one batch after it.
    second = len(STREAMS) + 2
    async with unseen(dsn, second, STREAMS[5]) as writer, asyncio.timeout(PATIENCE):
        appending = asyncio.gather(
            *(store.append(stream, [event()], expected=1) for stream in STREAMS),
            return_exceptions=True,
        )
        await until(lambda: blocks_another(writer))
    answers = await appending
    assert isinstance(answers[5], WrongExpectedVersion)
    stored = [answer for answer in answers if isinstance(answer, Appended)]
    assert len(stored) == len(STREAMS) - 1
    page = await history(store)
    assert recorded(stored) == [item for item in page[len(STREAMS) :] if item.position != second]


async def test_a_wrong_version_is_refused_and_the_rest_stored(store: PostgresStore) -> None:
    answers = await asyncio.gather(
        *(
            store.append(stream, [event()], expected=1 + (stream == STREAMS[3]))
            for stream in STREAMS
        ),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers].count(WrongExpectedVersion) == 1
    assert isinstance(answers[3], WrongExpectedVersion)
    assert len(await history(store)) == 2 * len(STREAMS) - 1


async def test_an_id_that_is_taken_is_refused_and_the_rest_stored(store: PostgresStore) -> None:
    taken = (await store.read_page(limit=1))[0].id
    ids = [taken if number == 7 else uuid4() for number in range(len(STREAMS))]
    answers = await asyncio.gather(
        *(
            store.append(stream, [event(id_)], expected=1)
            for stream, id_ in zip(STREAMS, ids, strict=True)
        ),
        return_exceptions=True,
    )
    assert isinstance(answers[7], DuplicateEvent)
    assert len(await history(store)) == 2 * len(STREAMS) - 1


async def test_a_command_id_is_looked_up_by_a_lone_writer_too(store: PostgresStore) -> None:
    command = uuid4()
    own = NewEvent(uuid4(), "Happened", b"{}", None, command, command)
    await store.append(STREAMS[0], [own], command_id=command)
    again = NewEvent(uuid4(), "Happened", b"{}", None, command, command)
    # The first append goes by itself, the others together.
    answers = await asyncio.gather(
        store.append(STREAMS[1], [event()], expected=1),
        store.append(STREAMS[2], [again], command_id=command),
        *(store.append(stream, [event()], expected=1) for stream in STREAMS[3:]),
        return_exceptions=True,
    )
    assert isinstance(answers[1], DuplicateCommand)
    assert len(await history(store)) == 2 * len(STREAMS) - 1


async def test_an_erased_stream_starts_at_version_one(store: PostgresStore) -> None:
    await store.streams.delete(STREAMS[0], erase=True)
    answers = await asyncio.gather(*(store.append(stream, [event()]) for stream in STREAMS))
    assert [answer.version for answer in answers] == [1, *[2] * (len(STREAMS) - 1)]
    assert await store.head() == 2 * len(STREAMS) + 1


async def test_new_streams_begin_without_a_turn(dsn: str, store: PostgresStore) -> None:
    async with append_lock_held(dsn), asyncio.timeout(PATIENCE):
        alone = await store.append("new-0", [event()], expected=Expected.NO_STREAM)
        together = await asyncio.gather(
            *(
                store.append(f"new-{number}", [event(), event()], expected=Expected.NO_STREAM)
                for number in range(1, 10)
            ),
            *(store.append(stream, [event()], expected=1) for stream in STREAMS),
        )
    page = await history(store)
    assert recorded([alone, *together]) == list(page[len(STREAMS) :])
    for answer in [alone, *together[:9]]:
        info = await store.streams.info(answer.stream)
        assert info is not None
        assert (info.version, info.created) == (answer.version, answer.recorded[0].time)


async def test_streams_that_are_there_are_no_new_ones(dsn: str) -> None:
    taken = ["plain", "deleted", "truncated"]
    async with PostgresStore(dsn) as before:
        for stream in (*taken, "erased"):
            await before.append(stream, [event(), event(), event()])
        await before.streams.delete("deleted")
        await before.streams.delete("erased", erase=True)
        await before.streams.truncate("truncated", before=3, erase=True)
    async with PostgresStore(dsn) as store:
        await store.append("known", [event()])
        await listener_has_polled(dsn)
        for stream, refusal in zip(taken, (StreamExists, StreamDeleted, StreamExists), strict=True):
            with pytest.raises(refusal):
                await store.append(stream, [event()], expected=Expected.NO_STREAM)
            answers = await asyncio.gather(
                *(
                    store.append(name, [event()], expected=Expected.NO_STREAM)
                    for name in (f"{stream}-1", f"{stream}-2", stream, f"{stream}-3")
                ),
                return_exceptions=True,
            )
            assert isinstance(answers[2], refusal)
            assert [type(answer) for answer in answers].count(Appended) == 3
        again = await store.append("erased", [event()], expected=Expected.NO_STREAM)
        assert again.version == 1
        positions = [item.position for item in await store.read_page(limit=1000)]
        assert positions == list(range(1, len(positions) + 1))
        # Existing streams do not prove that another process wrote.
        async with append_lock_held(dsn), asyncio.timeout(PATIENCE):
            await store.append("known", [event()], expected=1)


async def test_large_events_go_at_once_too(dsn: str, store: PostgresStore) -> None:
    large = b'{"filling":"' + b"x" * 300_000 + b'"}'
    async with append_lock_held(dsn), asyncio.timeout(PATIENCE):
        answer = await store.append(STREAMS[0], [event(data=large), event(data=large)], expected=1)
    assert answer.version == 3
    assert [len(item.data) for item in (await history(store))[-2:]] == [len(large)] * 2


async def test_what_has_to_be_looked_up_takes_its_turn(dsn: str, store: PostgresStore) -> None:
    async with append_lock_held(dsn) as holder, asyncio.timeout(PATIENCE):
        appending = asyncio.create_task(
            store.append(STREAMS[0], [event(), event()], expected=1, command_id=uuid4())
        )
        await until(lambda: blocks_another(holder))
    assert (await appending).version == 3
    await history(store)


async def test_many_small_events_go_at_once(dsn: str, store: PostgresStore) -> None:
    async with append_lock_held(dsn), asyncio.timeout(PATIENCE):
        answer = await store.append(STREAMS[0], [event() for _ in range(200)], expected=1)
    assert recorded([answer]) == list((await history(store))[-200:])


async def test_repeated_wrong_assumptions_of_new_streams_cost_few_transactions(
    dsn: str, store: PostgresStore
) -> None:
    await store.streams.delete(STREAMS[0])
    await store.append(STREAMS[1], [event()])
    connection = await asyncpg.connect(dsn)
    failed = """select xact_rollback from pg_stat_database
        where datname = current_database()"""
    before = await connection.fetchval(failed)
    for _ in range(10):
        with pytest.raises(StreamDeleted):
            await store.append(STREAMS[0], [event()], expected=Expected.NO_STREAM)
    await store.append(STREAMS[1], [event()])
    # A backend reports its statistics at the latest when it ends.
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'chekov committer' and datname = current_database()"
    )

    async def told() -> bool:
        await connection.execute("select pg_stat_clear_snapshot()")
        return await connection.fetchval(failed) > before

    await until(told)
    assert await connection.fetchval(failed) - before <= 3
    await connection.close()


async def test_cancelled_callers_leave_a_whole_history(dsn: str, store: PostgresStore) -> None:
    next_ = len(STREAMS) + 1
    async with unseen(dsn, next_, STREAMS[-1]) as writer, asyncio.timeout(PATIENCE):
        appending = [
            asyncio.create_task(store.append(stream, [event(), event()], expected=1))
            for stream in STREAMS[:-1]
        ]
        await until(lambda: blocks_another(writer))
        for task in appending:
            task.cancel()
        await asyncio.gather(*appending, return_exceptions=True)
        assert all(task.cancelled() for task in appending)
    await store.append("after", [event()])
    await history(store)


async def test_beside_others_it_takes_its_turn(dsn: str) -> None:
    async with PostgresStore(dsn) as other, PostgresStore(dsn) as store:
        first = [await store.append(stream, [event()]) for stream in STREAMS]
        async with append_lock_held(dsn) as holder, asyncio.timeout(PATIENCE):
            appending = [asyncio.create_task(store.append(STREAMS[0], [event()], expected=1))]
            await until(lambda: blocks_another(holder))
            appending += [
                asyncio.create_task(store.append(stream, [event()], expected=1))
                for stream in STREAMS[1:]
            ]
        mine = await asyncio.gather(*appending)
        theirs = [await other.append(stream, [event()], expected=2) for stream in STREAMS]
        mine.append(await store.append(STREAMS[0], [event()], expected=3))
        assert recorded([*first, *mine, *theirs]) == await history(store)


async def test_batches_beside_an_idle_process_are_stored_as_answered(dsn: str) -> None:
    answers: list[Appended] = []
    async with PostgresStore(dsn), PostgresStore(dsn) as store:
        for version in range(3):
            appends = (store.append(stream, [event()], expected=version) for stream in STREAMS)
            answers += await asyncio.gather(*appends)
        assert recorded(answers) == await history(store)


async def test_who_writes_all_the_time_lets_others_have_their_turn(dsn: str) -> None:
    done = False
    mine: list[Appended] = []
    theirs: list[Appended] = []

    async def write(store: PostgresStore) -> None:
        while not done:
            mine.append(await store.append(STREAMS[0], [event()]))

    async with (
        PostgresStore(dsn) as other,
        PostgresStore(dsn) as store,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(write(store))
        connection = await asyncpg.connect(dsn)
        for number in range(20):
            async with connection.transaction():
                append = other.read_models.append_in_transaction
                theirs.append(await append(connection, f"other-{number}", [event()]))
            seen = len(mine)
            await until(lambda seen=seen: len(mine) > seen)
        await connection.close()
        done = True
    async with PostgresStore(dsn) as store:
        assert recorded([*mine, *theirs]) == await history(store)
