"""Each role can do its part of the work, and nothing else."""

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple
from urllib.parse import quote, urlsplit
from uuid import uuid4

import asyncpg
import pytest

from chekov.errors import StoreError
from chekov.store.port import (
    CheckpointMove,
    Expected,
    ExpectedVersion,
    NewEvent,
    Streams,
    SubscriptionKey,
)
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.exporter import export_events
from chekov.store.postgres.importer import import_events
from chekov.store.postgres.migrator import migrate, needed_version
from chekov.store.postgres.roles import roles_sql
from chekov.testing.contract import ReadModelsContract, StoreContract
from tests.store_state import append_lock_held, listener_has_polled

NAMES = {"owner": "shop-owner", "writer": "writer's", "reader": 'The "reader"'}
KEY = SubscriptionKey("bank", "Balances")
TABLES = "create table balances (account text primary key, balance bigint not null)"


class Roles(NamedTuple):
    """A DSN for each."""

    admin: str
    owner: str
    writer: str
    reader: str


@pytest.fixture
async def unmigrated(empty_dsn: str) -> AsyncGenerator[Roles]:
    """Made by an administrator in an empty database."""
    where = urlsplit(empty_dsn)

    def dsn(role: str) -> str:
        netloc = f"{quote(role)}:secret@{where.hostname}:{where.port}"
        return where._replace(netloc=netloc).geturl()

    found = Roles(empty_dsn, **{part: dsn(name) for part, name in NAMES.items()})
    await execute(empty_dsn, roles_sql("chekov", **NAMES))
    for name in NAMES.values():
        await execute(empty_dsn, f"alter role {quoted(name)} password 'secret'")
    yield found
    for name in NAMES.values():
        await execute(empty_dsn, f"drop owned by {quoted(name)} cascade")
        await execute(empty_dsn, f"drop role {quoted(name)}")


@pytest.fixture
async def roles(unmigrated: Roles) -> Roles:
    """The owner migrated the database, and gave the rights."""
    await migrate(unmigrated.owner, "chekov")
    await execute(unmigrated.owner, roles_sql("chekov", **NAMES))
    return unmigrated


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def event() -> NewEvent:
    return NewEvent(uuid4(), "t", b"{}")


class ErasedByOwner:
    """The streams of a writer's store, but the owner erases."""

    def __init__(self, writer: PostgresStore, owner: PostgresStore) -> None:
        self.writer = writer.streams
        self.owner = owner.streams
        self.tail = writer.tail
        self.link = writer.streams.link
        self.info = writer.streams.info
        self.list = writer.streams.list

    async def delete(
        self, stream: str, *, expected: ExpectedVersion = Expected.ANY, erase: bool = False
    ) -> int:
        if not erase:
            return await self.writer.delete(stream, expected=expected)
        position = await self.owner.delete(stream, expected=expected, erase=True)
        self.tail.drop()
        self.tail.heard(position)
        return position

    async def truncate(self, stream: str, *, before: int, erase: bool = False) -> None:
        if not erase:
            await self.writer.truncate(stream, before=before)
        else:
            await self.owner.truncate(stream, before=before, erase=True)
            self.tail.drop()


class WriterStore(PostgresStore):
    streams: Streams


class TestWriter(StoreContract, ReadModelsContract):
    """All that a store promises, but for erasing."""

    @pytest.fixture
    async def store(self, roles: Roles) -> AsyncGenerator[PostgresStore]:
        async with (
            PostgresStore(roles.owner) as owner,
            WriterStore(roles.writer, migrate=False) as store,
        ):
            store.streams = ErasedByOwner(store, owner)
            yield store


async def test_a_writer_cannot_erase(roles: Roles) -> None:
    async with PostgresStore(roles.writer, migrate=False) as store:
        await store.append("a", [event(), event()])
        with pytest.raises(StoreError, match="permission denied"):
            await store.streams.delete("a", erase=True)
        with pytest.raises(StoreError, match="permission denied"):
            await store.streams.truncate("a", before=2, erase=True)
        assert (await store.streams.info("a")).version == 2


async def test_a_writer_writes_alone(roles: Roles) -> None:
    async with PostgresStore(roles.writer, migrate=False) as store:
        await store.append("a", [event()])
        await listener_has_polled(roles.admin)
        async with append_lock_held(roles.admin), asyncio.timeout(240):
            await store.append("a", [event(), event()], expected=1)
            await store.append("b", [event(), event()], expected=Expected.NO_STREAM)
        assert (await store.streams.info("b")).version == 2


async def test_a_writer_goes_on_before_it_is_given_the_rights_on_new_tables(
    unmigrated: Roles,
) -> None:
    """Pods of the release before append while the owner migrates, with the rights of before."""
    await migrate(unmigrated.owner, "chekov", to=8)
    await execute(unmigrated.owner, roles_sql("chekov", **NAMES))
    await migrate(unmigrated.owner, "chekov")
    async with PostgresStore(unmigrated.writer, migrate=False) as store:
        for command_id in (None, uuid4()):
            await store.append("a", [event()], command_id=command_id)
        await store.append("a", [event()._replace(tags=("k:1",))])
        assert await store.head() == 3
    connection = await asyncpg.connect(unmigrated.writer)
    rights = await connection.fetchrow(
        "select has_table_privilege('chekov.discarded_inputs', 'select'),"
        " has_table_privilege('chekov.discarded_inputs', 'insert'),"
        " has_table_privilege('chekov.cancelled_schedules', 'select'),"
        " has_table_privilege('chekov.cancelled_schedules', 'insert'),"
        " has_table_privilege('chekov.cancelled_schedules', 'delete')"
    )
    await connection.close()
    assert rights is not None
    assert all(rights)


async def test_a_reader_exports_tags_before_it_is_given_the_rights_on_new_tables(
    unmigrated: Roles,
) -> None:
    await migrate(unmigrated.owner, "chekov", to=13)
    await execute(unmigrated.owner, roles_sql("chekov", **NAMES))
    await migrate(unmigrated.owner, "chekov")
    async with PostgresStore(unmigrated.writer, migrate=False) as store:
        await store.append("a", [event()._replace(tags=("k:1",))])
    lines: list[bytes] = []
    await export_events(unmigrated.reader, "chekov", lines.append)
    assert b'"tags":{"k:1":null}' in b"".join(lines).replace(b" ", b"")


async def test_a_writer_makes_projections_and_a_reader_reads_them(roles: Roles) -> None:
    async with PostgresStore(roles.writer, migrate=False) as store:
        schema = store.read_models.schema_for(KEY)
        await store.subscriptions.register([KEY])
        [claim] = await store.subscriptions.claim("one", [KEY], lease=3600)
        await store.read_models.create_tables(schema, TABLES)
        async with store.read_models.transaction(
            claim, CheckpointMove(1), search_path=schema
        ) as connection:
            await connection.execute("insert into balances values ('a', 1)")
        await store.append("a", [event()])
    async with PostgresStore(roles.reader, migrate=False) as store:
        async with store.read_models.read_connection(search_path=schema) as connection:
            assert await connection.fetchval("select balance from balances") == 1
        assert len(await store.read_page()) == 1
        assert (await store.streams.info("a")).version == 1
        assert len(await store.subscriptions.list("bank")) == 1


async def test_a_reader_changes_nothing(roles: Roles) -> None:
    async with PostgresStore(roles.writer, migrate=False) as store:
        await store.append("a", [event()])
    async with PostgresStore(roles.reader, migrate=False) as store:
        for change in (
            store.append("a", [event()]),
            store.streams.delete("a"),
            store.streams.truncate("a", before=1),
            store.subscriptions.register([KEY]),
            store.subscriptions.claim("one", [KEY], lease=1),
            store.subscriptions.resume("bank", "Balances"),
            store.snapshots.forget("a"),
        ):
            with pytest.raises(StoreError, match="permission denied"):
                await change
        assert await store.head() == 1


@pytest.mark.parametrize("role", ["admin", "owner", "writer", "reader"])
@pytest.mark.parametrize(
    "sql",
    [
        "update chekov.events set type = 'x'",
        "delete from chekov.events",
        "truncate chekov.events",
    ],
)
async def test_events_are_facts_for_all(roles: Roles, role: str, sql: str) -> None:
    async with PostgresStore(roles.writer, migrate=False) as store:
        await store.append("a", [event()])
        with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
            await execute(getattr(roles, role), sql)
        assert len(await store.read_page()) == 1


@pytest.mark.parametrize(
    ("role", "sql"),
    [
        # Erasing must be allowed by the role, not only be said.
        ("writer", "set event_store.erasing = 'on'; update chekov.events set type = 'x'"),
        ("reader", "set event_store.erasing = 'on'; update chekov.events set type = 'x'"),
        ("writer", "alter table chekov.events disable trigger events_are_facts"),
        ("writer", "drop table chekov.events"),
        ("writer", "create table chekov.mine ()"),
        ("writer", "update chekov.streams set name = 'x'"),
        ("writer", "delete from chekov.streams"),
        ("writer", "delete from chekov.keys"),
        ("writer", "delete from chekov.migrations"),
        ("reader", "select from chekov.keys"),
        ("reader", "create schema mine"),
        ("reader", "insert into chekov.events select from chekov.events"),
        ("reader", "update chekov.subscriptions set position = 0"),
        ("owner", "create role another"),
    ],
)
async def test_other_privileges_are_denied(roles: Roles, role: str, sql: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(getattr(roles, role), sql)


@pytest.mark.parametrize("role", ["writer", "reader"])
async def test_only_the_owner_migrates(roles: Roles, role: str) -> None:
    await execute(roles.owner, "truncate chekov.migrations")
    with pytest.raises(StoreError, match="permission denied"):
        await migrate(getattr(roles, role), "chekov")


async def test_functions_run_with_the_caller_s_privileges(roles: Roles) -> None:
    connection = await asyncpg.connect(roles.admin)
    definers = await connection.fetchval(
        "select count(*) from pg_proc where pronamespace = 'chekov'::regnamespace and prosecdef"
    )
    await connection.close()
    assert definers == 0


async def test_every_table_can_be_read_by_a_role(roles: Roles) -> None:
    """A table that a later step adds must be named in the SQL of the roles."""
    connection = await asyncpg.connect(roles.admin)
    forgotten = await connection.fetch(
        "select relname from pg_class where relnamespace = 'chekov'::regnamespace "
        "and relkind = 'r' and not has_table_privilege($1, oid, 'select')",
        NAMES["writer"],
    )
    await connection.close()
    assert [row[0] for row in forgotten] == []


async def test_what_an_administrator_migrated_becomes_the_owner_s(dsn: str) -> None:
    names = {part: f"later {name}" for part, name in NAMES.items()}
    await execute(dsn, roles_sql("chekov", **names))
    connection = await asyncpg.connect(dsn)
    owners = await connection.fetch(
        "select distinct relowner::regrole::text from pg_class "
        "where relnamespace = 'chekov'::regnamespace and relkind = 'r'"
    )
    assert [row[0] for row in owners] == [quoted(names["owner"])]
    for name in names.values():
        await connection.execute(f"drop owned by {quoted(name)} cascade")
        await connection.execute(f"drop role {quoted(name)}")
    await connection.close()


@pytest.mark.parametrize(
    ("owner", "writer"), [("", "w"), ("same", "same"), ("x" * 64, "w"), ("a\0b", "w")]
)
def test_names_that_no_role_can_have(owner: str, writer: str) -> None:
    with pytest.raises(StoreError):
        roles_sql("chekov", owner=owner, writer=writer, reader="r")


async def test_the_owner_s_schema_is_at_the_version_needed(roles: Roles) -> None:
    assert (await migrate(roles.owner, "chekov")).found == needed_version()


async def test_a_reader_exports_and_an_owner_imports(roles: Roles) -> None:
    async with PostgresStore(roles.writer, migrate=False) as store:
        await store.append("a", [event()])
    lines: list[bytes] = []
    await export_events(roles.reader, "chekov", lines.append)
    whole = b"".join(lines).splitlines(keepends=True)
    with pytest.raises(StoreError, match="permission denied"):
        await export_events(roles.reader, "chekov", lines.append, keys=True)
    await export_events(roles.owner, "chekov", lines.append, keys=True)
    await execute(roles.admin, f"create schema other authorization {quoted(NAMES['owner'])}")
    await migrate(roles.owner, "other")
    assert (await import_events(roles.owner, "other", whole)).events == 1
    with pytest.raises(StoreError, match="permission denied"):
        await import_events(roles.writer, "other", whole)
