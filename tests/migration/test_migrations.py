"""The schema's steps: one by one they make what a fresh start makes."""

import asyncio
import multiprocessing
from collections.abc import Sequence

import asyncpg
import pytest

from chekov.errors import SchemaMismatch, StoreError, StoreUnavailable
from chekov.store.postgres import PostgresStore, migrator
from chekov.store.postgres.migrator import Migrated, migrate, needed_version, pending
from chekov.store.postgres.statements import Migration, make_migration, migrations
from tests.store_state import status_of
from tests.waiting import until

SHAPE = """
select 'column', table_name || '.' || column_name,
    data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '')
from information_schema.columns where table_schema = 'chekov'
union all
select 'index', indexname, indexdef from pg_indexes where schemaname = 'chekov'
union all
select 'constraint', conname, pg_get_constraintdef(oid)
from pg_constraint where connamespace = 'chekov'::regnamespace
union all
select 'function', proname, pg_get_functiondef(oid)
from pg_proc where pronamespace = 'chekov'::regnamespace
union all
select 'trigger', tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
union all
select 'options', relname, reloptions::text
from pg_class where relnamespace = 'chekov'::regnamespace and reloptions is not null
order by 1, 2, 3
"""


async def shape(dsn: str) -> Sequence[tuple[str, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(SHAPE)]
    finally:
        await connection.close()


async def execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(sql)
    await connection.close()


async def test_steps_are_numbered_without_gaps() -> None:
    assert [step.version for step in migrations("chekov")] == list(range(1, needed_version() + 1))


async def test_one_by_one_equals_a_fresh_start(dsn: str, empty_dsn: str) -> None:
    for version in range(1, needed_version() + 1):
        assert await migrate(empty_dsn, "chekov", to=version) == Migrated(version - 1, version)
    one_by_one = await shape(empty_dsn)
    assert one_by_one
    assert one_by_one == await shape(dsn)


async def test_a_second_run_finds_nothing_to_do(dsn: str) -> None:
    assert await migrate(dsn, "chekov") == Migrated(needed_version(), needed_version())


async def test_of_many_that_start_at_once_one_migrates(empty_dsn: str) -> None:
    answers = await asyncio.gather(*(migrate(empty_dsn, "chekov") for _ in range(8)))
    # A step outside a transaction may be found under way, and is waited for.
    assert [answer.found for answer in answers].count(0) == 1
    assert {answer.now for answer in answers} == {needed_version()}


async def test_a_newer_schema_is_refused(dsn: str) -> None:
    await execute(dsn, "insert into chekov.migrations values (9999, 'future', '', 9999)")
    for wanted in (True, False):
        with pytest.raises(SchemaMismatch, match="deploy a release") as caught:
            async with PostgresStore(dsn, migrate=wanted):
                pass
        assert (caught.value.found, caught.value.needed) == (9999, needed_version())


async def test_a_newer_schema_that_works_with_this_code_is_used(dsn: str) -> None:
    """What a rolling upgrade needs: the new pods migrate, and the old ones go on."""
    needed = needed_version()
    await execute(
        dsn,
        f"insert into chekov.migrations values ({needed + 1}, 'a', '', {needed}), "
        f"({needed + 2}, 'b', '', 1)",
    )
    for wanted in (True, False):
        async with PostgresStore(dsn, migrate=wanted) as store:
            assert await store.head() == 0
    assert await migrate(dsn, "chekov") == Migrated(needed + 2, needed + 2)
    status = await status_of(dsn)
    assert (status.schema_version, status.usable) == (needed + 2, True)


async def test_one_step_that_does_not_work_with_this_code_is_enough(dsn: str) -> None:
    needed = needed_version()
    await execute(
        dsn,
        f"insert into chekov.migrations values ({needed + 1}, 'a', '', {needed + 1}), "
        f"({needed + 2}, 'b', '', 1)",
    )
    with pytest.raises(SchemaMismatch, match="deploy a release"):
        await migrate(dsn, "chekov")
    assert not (await status_of(dsn)).usable


async def test_a_step_changed_after_it_was_applied_is_reported(dsn: str) -> None:
    await execute(dsn, "update chekov.migrations set digest = 'x' where version = 1")
    for wanted in (True, False):
        with pytest.raises(SchemaMismatch, match="differs from this release's") as caught:
            async with PostgresStore(dsn, migrate=wanted):
                pass
        assert caught.value.changed == "0001_events_and_subscriptions"
    with pytest.raises(SchemaMismatch):
        await pending(dsn, "chekov")


async def test_pending_steps_are_listed_without_applying_them(empty_dsn: str) -> None:
    found, steps = await pending(empty_dsn, "chekov")
    assert found == 0
    assert [step.version for step in steps] == list(range(1, needed_version() + 1))
    assert (await status_of(empty_dsn)).schema_version == 0
    await migrate(empty_dsn, "chekov")
    assert await pending(empty_dsn, "chekov") == (needed_version(), [])


@pytest.mark.parametrize("version", [0, -1, needed_version() + 1])
async def test_an_unknown_version_is_refused(empty_dsn: str, version: int) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        await migrate(empty_dsn, "chekov", to=version)


def _migrate_process(dsn: str) -> None:
    asyncio.run(migrate(dsn, "chekov"))


async def test_processes_that_start_at_once_migrate_once(empty_dsn: str) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_migrate_process, args=(empty_dsn,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join)
        assert process.exitcode == 0
    assert await pending(empty_dsn, "chekov") == (needed_version(), [])


@pytest.fixture
def next_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps after the shipped ones: one expands, one builds an index while others write."""
    last = needed_version()
    expand = "-- works with: 1\nalter table chekov.events add column more text;\n"
    build = (
        "-- works with: 1\n-- transaction: none\n"
        "create index concurrently if not exists events_more on chekov.events (more);\n"
        "create index concurrently if not exists events_more_too on chekov.events (more, id);\n"
    )
    added = [
        make_migration(last + 1, "more", expand),
        make_migration(last + 2, "more_indexes", build),
        make_migration(last + 3, "again", "alter table chekov.events add column again text;\n"),
    ]

    def steps(schema: str) -> Sequence[Migration]:
        return [*migrations(schema), *added]

    monkeypatch.setattr(migrator, "migrations", steps)


INDEXES = """
select indexrelid::regclass::text, indisvalid from pg_index
where indexrelid::regclass::text like 'chekov.events_more%' order by 1
"""


async def indexes(dsn: str) -> list[tuple[str, bool]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [(row[0], row[1]) for row in await connection.fetch(INDEXES)]
    finally:
        await connection.close()


BOTH = [("chekov.events_more", True), ("chekov.events_more_too", True)]


@pytest.mark.usefixtures("next_steps")
async def test_an_index_is_built_outside_of_a_transaction(dsn: str) -> None:
    last = migrator.needed_version()
    assert await migrate(dsn, "chekov") == Migrated(last - 3, last)
    assert await indexes(dsn) == BOTH
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("select version, works_with from chekov.migrations order by 1")
    await connection.close()
    assert [tuple(row) for row in rows[-3:]] == [(last - 2, 1), (last - 1, 1), (last, last)]


@pytest.mark.usefixtures("next_steps")
async def test_of_many_that_build_an_index_one_does(dsn: str) -> None:
    answers = await asyncio.gather(*(migrate(dsn, "chekov") for _ in range(4)))
    assert {answer.now for answer in answers} == {migrator.needed_version()}
    assert await indexes(dsn) == BOTH


@pytest.mark.usefixtures("next_steps")
async def test_an_invalid_index_left_by_a_crash_is_built_again(dsn: str) -> None:
    """Another transaction holds the build up until its connection is cut off."""
    await migrate(dsn, "chekov", to=migrator.needed_version() - 2)
    blocker = await asyncpg.connect(dsn)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("lock table chekov.events in row exclusive mode")
    building = asyncio.create_task(migrate(dsn, "chekov", patience=0))
    watch = await asyncpg.connect(dsn)

    async def is_building() -> bool:
        return bool(
            await watch.fetchval(
                "select count(*) from pg_stat_progress_create_index where phase like 'waiting%'"
            )
        )

    await until(is_building)
    await watch.execute(
        "select pg_terminate_backend(pid) from pg_stat_progress_create_index",
    )
    with pytest.raises(StoreUnavailable):
        await building
    assert await indexes(dsn) == [("chekov.events_more", False)]
    await transaction.rollback()
    await blocker.close()
    await watch.close()
    assert (await migrate(dsn, "chekov")).now == migrator.needed_version()
    assert await indexes(dsn) == BOTH


TURN = "select pg_advisory_xact_lock(hashtextextended('chekov', 2))"


async def test_a_process_that_waits_to_migrate_blocks_nothing(empty_dsn: str) -> None:
    """A build of an index waits for the end of every transaction that it came upon."""
    connection = await asyncpg.connect(empty_dsn)
    async with connection.transaction():
        await connection.fetchval(TURN)
        waiting = asyncio.create_task(migrate(empty_dsn, "chekov"))
        other = await asyncpg.connect(empty_dsn)
        polls = (
            "select count(*) from pg_stat_activity where application_name = 'chekov migrate' "
            "and state = 'idle' and query ilike 'commit%'"
        )

        async def waits() -> bool:
            return bool(await other.fetchval(polls))

        await until(waits)
        assert not await other.fetchval(
            "select count(*) from pg_locks where not granted and locktype = 'advisory'"
        )
    assert (await waiting).now == needed_version()
    await other.close()
    await connection.close()


async def test_without_pending_steps_no_process_waits(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    async with connection.transaction():
        await connection.fetchval(TURN)
        async with asyncio.timeout(240), PostgresStore(dsn, migrate=True) as store:
            assert await store.head() == 0
    await connection.close()


async def test_waiting_to_migrate_has_a_timeout(empty_dsn: str) -> None:
    connection = await asyncpg.connect(empty_dsn)
    async with connection.transaction():
        await connection.fetchval(TURN)
        async with asyncio.timeout(240):
            with pytest.raises(StoreUnavailable, match="another process migrates the schema"):
                await migrate(empty_dsn, "chekov", patience=0)
    await connection.close()
    assert (await migrate(empty_dsn, "chekov")).now == needed_version()


async def test_a_missing_schema_is_refused_when_only_checking(empty_dsn: str) -> None:
    with pytest.raises(SchemaMismatch, match="chekov migrate") as caught:
        async with PostgresStore(empty_dsn, migrate=False):
            pass
    assert caught.value.found == 0


async def test_an_older_schema_is_refused_when_only_checking(dsn: str) -> None:
    await execute(dsn, "delete from chekov.migrations")
    with pytest.raises(SchemaMismatch):
        async with PostgresStore(dsn, migrate=False):
            pass


async def test_a_role_without_the_right_to_create_is_reported(dsn: str, empty_dsn: str) -> None:
    await execute(empty_dsn, "create role poor login password 'poor'")
    poor = empty_dsn.replace(empty_dsn.split("//")[1].split("@", maxsplit=1)[0], "poor:poor")
    try:
        with pytest.raises(StoreError, match="permission denied"):
            await migrate(poor, "chekov")
    finally:
        await execute(empty_dsn, "drop role poor")
