"""Streams that end while others are at work, and stores that close in the middle of it."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from chekov.errors import InvalidAppend, StoreUnavailable
from chekov.store.port import NewEvent, Snapshot
from chekov.store.postgres import PostgresStore
from tests.store_state import listener_has_polled
from tests.waiting import until


def event(type_: str = "t") -> NewEvent:
    return NewEvent(uuid4(), type_, b"{}")


async def waiting(connection: "asyncpg.Connection[asyncpg.Record]", count: int) -> None:
    """Until so many backends of this database wait for a lock."""
    sql = """select count(*) >= $1 from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'"""

    async def are_waiting() -> object:
        return await connection.fetchval(sql, count)

    await until(are_waiting)


async def test_a_snapshot_does_not_outlive_its_stream(
    dsn: str, postgres_store: PostgresStore
) -> None:
    """It is kept while the erasure is under way, and comes too late."""
    await postgres_store.append("a", [event()])
    other, watch = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    transaction = other.transaction()
    await transaction.start()
    sql = "select r_position from chekov.delete_stream_v1('a', -1, true, gen_random_uuid())"
    assert await other.fetchval(sql) == 2
    saving = asyncio.create_task(
        postgres_store.snapshots.save(Snapshot("a", 1, "k", b"plain state"))
    )
    await waiting(watch, 1)
    await transaction.commit()
    await saving
    assert await postgres_store.snapshots.load("a") is None
    assert await other.fetchval("select count(*) from chekov.snapshots") == 0
    await other.close()
    await watch.close()


@pytest.mark.parametrize("constraint", ["check (type <> 'bad')", "check (type <> 'bad') not valid"])
async def test_a_trigger_that_refuses_an_event_fails_its_append_only(
    dsn: str, postgres_store: PostgresStore, constraint: str
) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"alter table chekov.events add constraint house_rule {constraint}")
    await connection.close()
    answers = await asyncio.gather(
        *(
            postgres_store.append(f"s-{number}", [event("bad" if number == 7 else "t")])
            for number in range(50)
        ),
        return_exceptions=True,
    )
    failed = [number for number, answer in enumerate(answers) if isinstance(answer, Exception)]
    assert failed == [7]
    assert isinstance(answers[7], InvalidAppend)
    assert await postgres_store.head() == 49


async def test_waiting_appends_fail_when_the_store_is_cancelled(dsn: str) -> None:
    """Whatever was under way: no caller waits for an answer that never comes."""
    blocker = await asyncpg.connect(dsn)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("lock table chekov.events in share row exclusive mode")
    store = PostgresStore(dsn, migrate=False)
    await store.__aenter__()
    appending = [asyncio.create_task(store.append(f"s-{n}", [event()])) for n in range(5)]
    watch = await asyncpg.connect(dsn)
    await waiting(watch, 1)
    closing = asyncio.create_task(store.__aexit__(None, None, None))
    await asyncio.sleep(0)
    closing.cancel()
    async with asyncio.timeout(240):
        await asyncio.wait([*appending, closing])
    errors = [task.exception() for task in appending if not task.cancelled()]
    assert None not in errors
    assert any(isinstance(error, StoreUnavailable) for error in errors)
    await transaction.rollback()
    await blocker.close()
    await watch.close()


async def test_erased_events_are_dropped_from_the_tail(postgres_store: PostgresStore) -> None:
    await postgres_store.append("a", [event(), event()])
    await postgres_store.append("b", [event()])
    assert len(postgres_store.tail.cached(0) or ()) == 3
    await postgres_store.streams.truncate("a", before=2, erase=True)
    assert postgres_store.tail.cached(0) is None
    await postgres_store.append("b", [event()])
    await postgres_store.streams.delete("a", erase=True)
    assert not [item for item in await postgres_store.tail.after(0) or () if item.stream == "a"]


async def test_what_is_erased_elsewhere_is_dropped_here(dsn: str) -> None:
    async with PostgresStore(dsn) as one, PostgresStore(dsn) as two:
        await listener_has_polled(dsn)
        await one.append("a", [event(), event()])
        assert one.tail.cached(0) is not None
        for erasing in (
            two.streams.truncate("a", before=2, erase=True),
            two.streams.delete("a", erase=True),
        ):
            seen = one.tail.drops.value
            await erasing
            assert await one.wait("keys", seen, 60) > seen
            assert one.tail.cached(0) is None
            assert "$erased" in {item.type for item in await one.tail.after(0) or ()}
