"""The schema's versions: numbered SQL files, applied in order, each once.

A step may say in its first comment `works with: N`: code of version N still works with the schema
after it (the step expands). And `transaction: none`: its statements, each ending with `;` at the
end of a line, run one by one, as `create index concurrently` must. They must be repeatable, since
they run again after a crash.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final, LiteralString, NamedTuple, cast

from chekov.backoff import Backoff
from chekov.errors import SchemaMismatch, StoreError, StoreUnavailable
from chekov.store.postgres.connection_options import DriverConnection, connect_once
from chekov.store.postgres.errors import Translator
from chekov.store.postgres.schema import patiently
from chekov.store.postgres.statements import Migration, check_schema, migrations, statements

_APPLICATION: Final = "chekov migrate"


class Migrated(NamedTuple):
    """What a migration did."""

    found: int
    """The version before; 0 for an empty schema."""
    now: int


class Applied(NamedTuple):
    """A step as it is recorded in the database."""

    version: int
    digest: str
    works_with: int


def needed_version() -> int:
    """The schema's version that this code works with."""
    return migrations("chekov")[-1].version


async def migrate(dsn: str, schema: str, *, to: int | None = None, patience: float = 5) -> Migrated:
    """Bring a store's schema to this code's version, or to an earlier one.

    Safe when several processes start at once: one migrates, the others wait and find nothing left
    to do. Without anything to do, no process waits. A newer schema that still works with this code
    stays as it is.

    Raises:
        SchemaMismatch: the schema is newer than this code can use, or its steps differ from this
            code's.
        StoreError: the version `to` does not exist.
        StoreUnavailable: the database cannot be reached, tables stay locked, or another
            process migrates for more than `patience` seconds.
    """
    steps = _steps(schema, to)

    async def work() -> Migrated:
        connection = await connect_once(dsn, application=_APPLICATION)
        try:
            found = _checked(schema, await applied(connection, schema))
            if found >= steps[-1].version:
                return Migrated(found, found)
            found, step = await _apply(connection, schema, steps, patience)
            while step is not None:
                await _apply_outside(dsn, connection, schema, step, patience)
                _, step = await _apply(connection, schema, steps, patience)
            return Migrated(found, await schema_version(connection, schema))
        finally:
            connection.terminate()

    return await patiently(work, patience=patience, translator=_translator(dsn, schema))


async def pending(
    dsn: str, schema: str, *, to: int | None = None, patience: float = 5
) -> tuple[int, Sequence[Migration]]:
    """The version of a store's schema, and the steps that `migrate` would apply.

    Raises:
        StoreError: as `migrate`.
    """
    steps = _steps(schema, to)

    async def work() -> tuple[int, Sequence[Migration]]:
        connection = await connect_once(dsn, application=_APPLICATION)
        try:
            found = _checked(schema, await applied(connection, schema))
            return found, [step for step in steps if step.version > found]
        finally:
            connection.terminate()

    return await patiently(work, patience=patience, translator=_translator(dsn, schema))


async def applied(connection: DriverConnection, schema: str) -> Sequence[Applied]:
    """The steps applied to a store's schema, in order; empty when it holds no store."""
    sql = statements("migrations", schema)
    if not await connection.fetchval(sql["exists"], schema):
        return ()
    return [Applied(*row) for row in await connection.fetch(sql["applied"])]


async def schema_version(connection: DriverConnection, schema: str) -> int:
    """The version of a store's schema; 0 when it holds no store."""
    return max((step.version for step in await applied(connection, schema)), default=0)


async def verify(connection: DriverConnection, schema: str) -> None:
    """Check that this code can work with the schema.

    Raises:
        SchemaMismatch: it is missing, older, newer than this code can use, or its steps differ.
    """
    _verify(schema, await applied(connection, schema))


def is_usable(schema: str, steps: Sequence[Applied]) -> bool:
    """Whether this code works with a schema of these steps."""
    try:
        _verify(schema, steps)
    except SchemaMismatch:
        return False
    return True


def _verify(schema: str, steps: Sequence[Applied]) -> None:
    found = _checked(schema, steps)
    if found < needed_version():
        raise SchemaMismatch(schema, found, needed_version())


def _steps(schema: str, to: int | None) -> Sequence[Migration]:
    steps = migrations(check_schema(schema))
    if to is None:
        return steps
    if not 0 < to <= steps[-1].version:
        raise StoreError(f"version {to} does not exist: this release has 1 to {steps[-1].version}")
    return steps[:to]


def _translator(dsn: str, schema: str) -> Translator:
    return Translator(dsn, schema, needed_version())


def _checked(schema: str, found: Sequence[Applied]) -> int:
    """The version of a schema that this code can use or bring up to date."""
    version = found[-1].version if found else 0
    known = {step.version: step for step in migrations(schema)}
    needed = max(known)
    for step in found:
        own = known.get(step.version)
        if own is None and step.works_with > needed:
            raise SchemaMismatch(schema, version, needed)
        if own is not None and own.digest != step.digest:
            raise SchemaMismatch(schema, version, needed, changed=f"{own.version:04}_{own.name}")
    return version


async def _apply(
    connection: DriverConnection, schema: str, steps: Sequence[Migration], patience: float
) -> tuple[int, Migration | None]:
    """Apply steps in a transaction.

    Returns:
        The version before, and the next step if that must run outside of a transaction.
    """
    sql = statements("migrations", schema)
    async with _turn(connection, schema, patience):
        found = _checked(schema, await applied(connection, schema))
        if not found:
            if not await connection.fetchval(sql["schema_exists"], schema):
                await connection.execute(sql["create_schema"])
            await connection.execute(sql["create_table"])
        for step in steps:
            if step.version > found:
                if step.outside:
                    return found, step
                await connection.execute(step.sql)
                await _record(connection, schema, step)
    return found, None


async def _apply_outside(
    dsn: str, connection: DriverConnection, schema: str, step: Migration, patience: float
) -> None:
    """Apply a step outside of a transaction, also after an interrupted try."""
    holder = await connect_once(dsn, application=_APPLICATION)
    try:
        async with _turn(holder, schema, patience):
            if await schema_version(connection, schema) < step.version:
                await _build(connection, schema, step)
    finally:
        holder.terminate()


async def _build(connection: DriverConnection, schema: str, step: Migration) -> None:
    # An index whose build crashed has its name, and is invalid.
    for (name,) in await connection.fetch(
        statements("migrations", schema)["broken_indexes"], schema
    ):
        await connection.execute(cast("LiteralString", f"drop index concurrently {name}"))
    for statement in step.sql.split(";\n"):
        if statement.strip():
            await connection.execute(statement)
    await _record(connection, schema, step)


@asynccontextmanager
async def _turn(connection: DriverConnection, schema: str, patience: float) -> AsyncGenerator[None]:
    """Hold the migration lock in a transaction without a snapshot, which index builds wait for.

    Each try is a transaction of its own: the build of an index waits for the end of all older
    transactions, including those that wait for the lock.
    """
    sql = statements("migrations", schema)
    deadline = asyncio.get_running_loop().time() + patience
    backoff = Backoff()
    while True:
        async with connection.transaction():
            if await connection.fetchval(sql["take_turn"], schema):
                # Replaces the statement that took the lock, which would keep its snapshot.
                await connection.execute(sql["limits"])
                yield
                return
        if asyncio.get_running_loop().time() >= deadline:
            raise StoreUnavailable(f"another process migrates the schema {schema}")
        await backoff.wait()


async def _record(connection: DriverConnection, schema: str, step: Migration) -> None:
    sql = statements("migrations", schema)
    await connection.execute(sql["record"], step.version, step.name, step.digest, step.works_with)
