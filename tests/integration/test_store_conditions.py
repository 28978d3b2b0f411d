"""Conditions of appends hold at the place where the events stand, whoever else writes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from chekov.domain.scope import Scope, ScopeItem
from chekov.errors import StoreUnavailable, WrongExpectedVersion
from chekov.serialization.conditions import kept_condition
from chekov.store.port import ConditionFailed, NewEvent, NoneSince, Store, StreamAppend
from chekov.store.postgres import PostgresStore
from tests.store_state import append_lock_held, blocks_another, listener_has_polled
from tests.waiting import until

GATE = 42
NAME = Scope((ScopeItem(types=frozenset({"claimed"}), tags=frozenset({"name:bob"})),))
BY_TYPE = Scope((ScopeItem(types=frozenset({"claimed"})),))


def event(type_: str = "t", *tags: str) -> NewEvent:
    return NewEvent(uuid4(), type_, b"{}", tags=tags)


def claim(name: str = "bob") -> NewEvent:
    return event("claimed", f"name:{name}")


async def check_conditions(store: Store) -> int:
    """Check every condition that the log keeps; return how many there are."""
    kept = 0
    place = 0
    versions: dict[str, int] = {}
    async for item in store.read_all():
        place += 1
        assert item.position == place
        condition = kept_condition(item.metadata)
        if condition is not None:
            kept += 1
            assert condition.unchanged == {
                stream: versions.get(stream, 0) for stream in condition.unchanged
            }
            if condition.after is not None:
                first = await store.read_scope(condition.as_scope(), after=condition.after, limit=1)
                assert not first.events or first.events[0].position >= item.position
        versions[item.stream] = item.version
    return kept


@pytest.fixture
async def lone(dsn: str) -> AsyncGenerator[PostgresStore]:
    """A store whose process knows the head, and that it is alone."""
    async with PostgresStore(dsn) as store:
        await store.append("first", [event()])
        await listener_has_polled(dsn)
        yield store


@asynccontextmanager
async def gate(dsn: str) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    """Hold every append of the locked function between the check and the numbering."""
    connection = await asyncpg.connect(dsn)
    definition: str = await connection.fetchval(
        "select pg_get_functiondef('chekov.append_many_v1'::regproc)"
    )
    gated = definition.replace("begin\n", f"begin\nperform pg_advisory_xact_lock({GATE});\n", 1)
    assert gated != definition
    await connection.execute(gated)
    await connection.execute(f"select pg_advisory_lock({GATE})")
    try:
        yield connection
    finally:
        await connection.execute(f"select pg_advisory_unlock({GATE})")
        await connection.execute(definition)
        await connection.close()


async def lone_insert(connection: "asyncpg.Connection[Any]", stream: str, name: str) -> None:
    """What a lone writer does: no lock, the next position, and a tag."""
    await connection.execute(
        "with stored as ("
        " insert into chekov.events (position, stream, version, id, type, data, time)"
        " select max(position) + 1, $1, 1, gen_random_uuid(), 'claimed', '{}', now()"
        " from chekov.events returning position, type)"
        " insert into chekov.tags (tag, position, type)"
        " select 'name:' || $2, position, type from stored",
        stream,
        name,
    )


@pytest.mark.parametrize("scope", [NAME, BY_TYPE])
async def test_an_event_that_is_stored_after_the_check_is_seen(
    dsn: str, postgres_store: PostgresStore, scope: Scope
) -> None:
    """A lone writer of another process takes the place between the check and the numbering."""
    await postgres_store.append("first", [event()])
    async with gate(dsn) as holder:
        appending = asyncio.create_task(
            # With an id, so that it takes its turn whether or not it is alone.
            postgres_store.append("b", [claim()], command_id=uuid4(), condition=NoneSince(scope, 1))
        )
        await until(lambda: blocks_another(holder))
        await lone_insert(holder, "a", "bob")
    with pytest.raises(ConditionFailed) as caught:
        await appending
    assert caught.value.position == 2
    assert await postgres_store.head() == 2


async def test_a_guarded_stream_that_changes_after_the_check_is_seen(
    dsn: str, postgres_store: PostgresStore
) -> None:
    await postgres_store.append("first", [event()])
    async with gate(dsn) as holder:
        appending = asyncio.create_task(
            postgres_store.append_together(
                [StreamAppend("b", [event()]), StreamAppend("c", [event()])],
                unchanged={"a": 0},
            )
        )
        await until(lambda: blocks_another(holder))
        await lone_insert(holder, "a", "bob")
    with pytest.raises(WrongExpectedVersion):
        await appending
    assert await postgres_store.head() == 2


async def test_what_is_stored_after_the_check_and_not_in_scope_costs_a_second_try(
    dsn: str, postgres_store: PostgresStore
) -> None:
    await postgres_store.append("first", [event()])
    async with gate(dsn) as holder:
        appending = asyncio.create_task(
            postgres_store.append("b", [claim()], command_id=uuid4(), condition=NoneSince(NAME, 1))
        )
        await until(lambda: blocks_another(holder))
        await lone_insert(holder, "a", "ann")
    assert (await appending).position == 3
    assert await check_conditions(postgres_store) == 1


async def test_a_writer_that_has_not_committed_is_waited_for(
    dsn: str, postgres_store: PostgresStore
) -> None:
    """It holds the next position, which the check cannot see."""
    await postgres_store.append("first", [event()])
    other = await asyncpg.connect(dsn)
    async with other.transaction():
        await lone_insert(other, "a", "bob")
        appending = asyncio.create_task(
            postgres_store.append("b", [claim()], condition=NoneSince(NAME, 1))
        )
        await until(lambda: blocks_another(other))
    with pytest.raises(ConditionFailed):
        await appending
    await other.close()


async def test_a_lone_writer_needs_neither_turn_nor_check(dsn: str, lone: PostgresStore) -> None:
    """Where its decision has seen the newest event."""
    async with append_lock_held(dsn), asyncio.timeout(240):
        first = await lone.append("a", [claim()], expected=0, condition=NoneSince(NAME, 1))
        second = await lone.append("b", [claim("ann")], expected=0, condition=NoneSince(BY_TYPE, 2))
    assert (first.position, second.position) == (2, 3)
    with pytest.raises(ConditionFailed):
        await lone.append("c", [claim()], condition=NoneSince(NAME, 1))
    found = await lone.read_scope(NAME)
    assert list(found.events) == list(first.recorded)
    assert await check_conditions(lone) == 2


async def test_a_lone_writer_finds_that_it_is_not_alone(dsn: str, lone: PostgresStore) -> None:
    """It takes the known head for the newest, and somebody unseen has stored a claim there."""
    other = await asyncpg.connect(dsn)
    await lone_insert(other, "a", "bob")
    with pytest.raises(ConditionFailed):
        await lone.append("b", [claim()], expected=0, condition=NoneSince(NAME, 1))
    await other.close()


@pytest.mark.parametrize("racers", [8, 16])
@pytest.mark.parametrize("stores", [1, 2])
async def test_one_of_many_gets_a_name(dsn: str, racers: int, stores: int) -> None:
    """Among others that write alone, in batches, without tags, over one connection and over two."""
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(PostgresStore(dsn, migrate=False))
            for _ in range(stores)
        ]
        for turn in range(10):
            scope = Scope((ScopeItem(tags=frozenset({f"name:{turn}"})),))
            before, after = asyncio.Barrier(racers), asyncio.Barrier(racers)

            async def race(number: int, *, scope: Scope, turn: int) -> bool:
                store = opened[number % stores]
                await before.wait()  # noqa: B023 awaited within the turn
                found = await store.read_scope(scope)
                await after.wait()  # noqa: B023
                try:
                    await store.append(
                        f"person-{turn}-{number}",
                        [claim(str(turn)), event()],
                        condition=NoneSince(scope, found.through),
                    )
                except ConditionFailed:
                    return False
                return True

            noise = [
                opened[n % stores].append(f"noise-{turn}-{n}", [event(), event()])
                for n in range(200)
            ]
            won, _ = await asyncio.gather(
                asyncio.gather(*(race(n, scope=scope, turn=turn) for n in range(racers))),
                asyncio.gather(*noise),
            )
            assert sum(won) == 1
        assert await check_conditions(opened[0]) == 10


async def test_a_condition_within_a_transaction_of_the_caller(
    dsn: str, postgres_store: PostgresStore
) -> None:
    """The transaction stays usable after a refusal, and its tags commit with it."""
    append = postgres_store.read_models.append_in_transaction
    connection = await asyncpg.connect(dsn)
    async with connection.transaction():
        await append(connection, "a", [claim()], condition=NoneSince(NAME, 0))
        with pytest.raises(ConditionFailed):
            await append(connection, "b", [claim()], condition=NoneSince(NAME, 0))
        with pytest.raises(WrongExpectedVersion):
            await append(connection, "b", [claim()], unchanged={"a": 0})
        await append(connection, "b", [event()], unchanged={"a": 1})
        assert not (await postgres_store.read_scope(NAME)).events
    assert [item.stream for item in (await postgres_store.read_scope(NAME)).events] == ["a"]
    transaction = connection.transaction()
    await transaction.start()
    await append(connection, "c", [claim("ann")])
    await transaction.rollback()
    assert not await connection.fetchval("select count(*) from chekov.tags where tag = 'name:ann'")
    assert await check_conditions(postgres_store) == 2
    await connection.close()


async def test_a_transaction_gives_up_on_a_log_that_moves_on(
    dsn: str, postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each check was for another head."""
    monkeypatch.setattr("chekov.store.postgres.append.append_in_transaction._TRIES", 1)
    await postgres_store.append("first", [event()])
    connection = await asyncpg.connect(dsn)
    async with gate(dsn) as holder:

        async def append() -> None:
            async with connection.transaction():
                with pytest.raises(StoreUnavailable):
                    await postgres_store.read_models.append_in_transaction(
                        connection, "b", [claim()], condition=NoneSince(NAME, 1)
                    )

        appending = asyncio.create_task(append())
        await until(lambda: blocks_another(holder))
        await lone_insert(holder, "a", "ann")
    await appending
    assert await postgres_store.head() == 2
    await connection.close()


async def test_untagged_events_leave_nothing(dsn: str, lone: PostgresStore) -> None:
    await asyncio.gather(*(lone.append(f"a-{n}", [event(), event()]) for n in range(100)))
    await lone.append("a-1", [event()])
    connection = await asyncpg.connect(dsn)
    assert not await connection.fetchval("select count(*) from chekov.tags")
    await connection.close()
