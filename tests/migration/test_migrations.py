"""The schema's steps: one by one they make what a fresh start makes."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from chekov.errors import SchemaMismatch, StoreError
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.migrator import Migrated, migrate, needed_version
from chekov.store.postgres.statements import migrations

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
    assert sorted(answer.found for answer in answers) == [0] + [needed_version()] * 7
    assert {answer.now for answer in answers} == {needed_version()}


async def test_a_newer_schema_is_refused(dsn: str) -> None:
    await execute(dsn, "insert into chekov.migrations values (9999, 'future', '')")
    for wanted in (True, False):
        with pytest.raises(SchemaMismatch, match="deploy a release") as caught:
            async with PostgresStore(dsn, migrate=wanted):
                pass
        assert (caught.value.found, caught.value.needed) == (9999, needed_version())


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


async def test_a_role_that_may_not_create_is_told(dsn: str, empty_dsn: str) -> None:
    await execute(empty_dsn, "create role poor login password 'poor'")
    poor = empty_dsn.replace(empty_dsn.split("//")[1].split("@", maxsplit=1)[0], "poor:poor")
    try:
        with pytest.raises(StoreError, match="permission denied"):
            await migrate(poor, "chekov")
    finally:
        await execute(empty_dsn, "drop role poor")
