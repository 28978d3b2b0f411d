"""The schema's versions: numbered SQL files, applied in order, each once."""

import hashlib
from collections.abc import Sequence
from typing import Final, LiteralString, NamedTuple, cast

from chekov.errors import SchemaMismatch
from chekov.store.postgres.connections import Connection, connect, patiently
from chekov.store.postgres.errors import Translator
from chekov.store.postgres.statements import Migration, check_schema, migrations

_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended($1, 2))"
_EXISTS: Final = "select to_regclass(quote_ident($1) || '.migrations') is not null"
_RECORD: Final = 'insert into "{0}".migrations (version, name, digest) values ($1, $2, $3)'
_HEADER: Final = """
create schema if not exists "{0}";
create table if not exists "{0}".migrations (
    version integer primary key,
    name text not null,
    digest text not null,
    applied timestamptz not null default clock_timestamp()
);
"""


class Migrated(NamedTuple):
    """What a migration did."""

    found: int
    """The version before; 0 when there was none."""
    now: int


def needed_version() -> int:
    """The schema's version that this code works with."""
    return migrations("chekov")[-1].version


async def migrate(dsn: str, schema: str, *, to: int | None = None, patience: float = 5) -> Migrated:
    """Bring a store's schema to this code's version, or to an earlier one.

    Safe when several processes start at once: the others wait, and find nothing left to do.

    Raises:
        SchemaMismatch: the database's schema is newer than this code.
        StoreUnavailable: the database cannot be reached.
    """
    check_schema(schema)
    translator = Translator(dsn, schema, needed_version())

    async def work() -> Migrated:
        connection = await connect(dsn, application="chekov migrate")
        try:
            async with connection.transaction():
                return await _apply(connection, schema, migrations(schema), to)
        finally:
            connection.terminate()

    return await patiently(work, patience=patience, translator=translator)


async def schema_version(connection: Connection, schema: str) -> int:
    """The version a store's schema has; 0 when there is none."""
    if not await connection.fetchval(_EXISTS, schema):
        return 0
    sql = _in(schema, 'select coalesce(max(version), 0) from "{0}".migrations')
    return int(await connection.fetchval(sql))


async def verify(connection: Connection, schema: str) -> None:
    """Check that this code can work with the schema.

    Raises:
        SchemaMismatch: it is missing, older or newer.
    """
    found = await schema_version(connection, schema)
    if found != needed_version():
        raise SchemaMismatch(schema, found, needed_version())


async def _apply(
    connection: Connection, schema: str, steps: Sequence[Migration], to: int | None
) -> Migrated:
    await connection.execute(_LOCK, schema)
    found = await schema_version(connection, schema)
    if found > steps[-1].version:
        raise SchemaMismatch(schema, found, steps[-1].version)
    if not found:
        await connection.execute(_in(schema, _HEADER))
    for step in steps:
        if found < step.version <= (to or step.version):
            await connection.execute(step.sql)
            await connection.execute(
                _in(schema, _RECORD),
                step.version,
                step.name,
                hashlib.sha256(step.sql.encode()).hexdigest(),
            )
    return Migrated(found, await schema_version(connection, schema))


def _in(schema: str, sql: LiteralString) -> LiteralString:
    return cast("LiteralString", sql.replace("{0}", check_schema(schema)))
