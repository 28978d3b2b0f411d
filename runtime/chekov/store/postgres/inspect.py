"""A look at a store from outside, with one short connection: for the operator."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chekov.errors import StoreUnavailable
from chekov.store.port import SubscriptionRow
from chekov.store.postgres.access import Connection, connect_once
from chekov.store.postgres.checkpoints import subscription_rows
from chekov.store.postgres.errors import DATABASE_ERRORS, Translator
from chekov.store.postgres.migrator import applied, is_usable, needed_version
from chekov.store.postgres.statements import statements


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """A store at a glance."""

    server_version: str
    """Postgres's own, such as `18.4`."""
    schema_version: int
    """0 when the schema holds no event store."""
    needed_version: int
    """What this code works with."""
    position: int
    """Of the last event."""
    streams: int
    """How many there are; estimated by Postgres's statistics."""
    bytes: int
    """On disk: tables and indexes of the store."""
    usable: bool = False
    """Whether this code works with the schema as it is, which may be newer."""


async def inspect(dsn: str, schema: str, *, timeout: float = 5.0) -> StoreStatus:
    """What a store holds.

    Args:
        dsn: where the database is.
        schema: the store's schema.
        timeout: for everything, in seconds.

    Raises:
        StoreUnavailable: the database does not answer in time.
        StoreError: it refuses.
    """
    sql = statements("inspect", schema)
    async with _connected(dsn, schema, timeout) as connection:
        server: str = await connection.fetchval("show server_version")
        steps = await applied(connection, schema)
        found = steps[-1].version if steps else 0
        position = streams = size = 0
        if found:
            position = await connection.fetchval(sql["position"])
            streams, size = await connection.fetchrow(sql["sizes"], schema) or (0, 0)
    version = server.partition(" ")[0]
    usable = is_usable(schema, steps)
    return StoreStatus(version, found, needed_version(), position, streams, size, usable)


async def subscription_status(
    dsn: str, schema: str, domain: str, *, timeout: float = 5.0
) -> Sequence[SubscriptionRow]:
    """Every subscription of a domain, by name, version and partition.

    Raises:
        SchemaMismatch: there is no store in this schema.
        StoreUnavailable: the database does not answer in time.
    """
    sql = statements("subscriptions", schema)
    async with _connected(dsn, schema, timeout) as connection:
        return subscription_rows(await connection.fetch(sql["subscriptions"], domain))


@asynccontextmanager
async def _connected(dsn: str, schema: str, timeout: float) -> AsyncGenerator[Connection]:
    translator = Translator(dsn, schema, needed_version())
    try:
        async with asyncio.timeout(timeout):
            connection = await connect_once(dsn, application="chekov inspect")
            try:
                yield connection
            finally:
                connection.terminate()
    except TimeoutError as error:
        raise StoreUnavailable(f"Postgres did not answer within {timeout:g} s") from error
    except DATABASE_ERRORS as error:
        raise translator.store_error(error) from error
