"""Checkpoints, owners and parked events. Every write names the epoch it was claimed under."""

import hashlib
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import asyncpg

from chekov.domain import handler
from chekov.errors import DefinitionError, Fenced
from chekov.store.port import Claim, ParkedEvent, RecordedEvent, SubscriptionKey, SubscriptionRow
from chekov.store.postgres.connection_options import Connection
from chekov.store.postgres.connections import Database
from chekov.store.postgres.listener import free_channel
from chekov.store.postgres.statements import statements
from chekov.store.projection_schema import schema_name

_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended($1, 1))"
_SEARCH_PATH: Final = "select set_config('search_path', quote_ident($1) || ', public', true)"
_LONGEST_ERROR: Final = 10_000


class PostgresSubscriptions:
    """The subscription half of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("subscriptions", database.schema)
        self._free_channel = free_channel(database.schema)

    async def register(self, keys: Collection[SubscriptionKey], *, start: int = 0) -> None:
        """Make rows for those of `keys` that have none."""
        await self._fetch("register", *_columns(keys), start)

    async def claim(
        self, owner: str, keys: Collection[SubscriptionKey], *, lease: float
    ) -> Sequence[Claim]:
        """Renew what `owner` holds of `keys` and take what is free."""
        rows = await self._fetch("claim", *_columns(keys), owner, lease)
        return [
            Claim(
                SubscriptionKey(domain, name, version, partition),
                owner,
                epoch,
                position,
                registered,
            )
            for domain, name, version, partition, epoch, position, registered in rows
        ]

    async def release(self, owner: str, keys: Collection[SubscriptionKey]) -> None:
        """Give up what `owner` holds of `keys`."""
        await self._fetch("release", *_columns(keys), owner, self._free_channel)

    async def save(self, claim: Claim, position: int) -> None:
        """Move the checkpoint forward to `position`."""
        _demand(claim, await self._fetch("save", *_owned(claim), position))

    @asynccontextmanager
    async def transaction(
        self, claim: Claim, position: int, *, search_path: str | None = None
    ) -> AsyncGenerator[handler.Connection]:
        """A database transaction that moves the checkpoint to `position` as it commits."""
        async with self._database.lent() as connection:
            await _set_path(connection, search_path)
            yield cast("handler.Connection", connection)
            # Last, so that the row is locked for a moment only and a stale owner is still refused.
            try:
                row = await connection.fetch(self._statements["advance"], *_owned(claim), position)
            except TimeoutError as error:
                raise self._database.translator.unavailable(error) from error
            _demand(claim, row)

    async def park(self, claim: Claim, event: RecordedEvent, *, attempts: int, error: str) -> None:
        """Set `event` aside and move the checkpoint past it."""
        rows = await self._fetch(
            "park",
            *_owned(claim),
            event.position,
            event.stream,
            event.type,
            attempts,
            _text(error),
        )
        _demand(claim, rows)

    async def parked(self, domain: str, name: str, *, limit: int = 100) -> Sequence[ParkedEvent]:
        """The events set aside for a subscription, by position."""
        rows = await self._fetch("parked", domain, name, limit)
        return [ParkedEvent(SubscriptionKey(*row[:4]), *row[4:]) for row in map(tuple, rows)]

    async def stop(self, claim: Claim, error: str) -> None:
        """Mark the subscription stopped and give it up."""
        rows = await self._fetch("stop", *_owned(claim), _text(error), self._free_channel)
        _demand(claim, rows)

    async def resume(self, domain: str, name: str) -> None:
        """Let a paused or stopped subscription run again."""
        await self._fetch("resume", domain, name, self._free_channel)

    async def pause(self, domain: str, name: str) -> None:
        """Let no process run this subscription until it is resumed."""
        await self._fetch("pause", domain, name, self._free_channel)

    async def subscriptions(self, domain: str) -> Sequence[SubscriptionRow]:
        """Every subscription of a domain, by name, version and partition."""
        return subscription_rows(await self._fetch("subscriptions", domain))

    async def create_tables(self, schema_name: str, tables: str) -> None:
        """Create a database schema and run `tables` in it, once."""
        digest = hashlib.sha256(tables.encode()).hexdigest()
        async with self._database.lent() as connection:
            await connection.execute(_LOCK, schema_name)
            made = await connection.fetchval(self._statements["projection"], schema_name)
            if made is None:
                await self._create(connection, schema_name, tables)
                await connection.execute(self._statements["projection_made"], schema_name, digest)
            elif made != digest:
                raise DefinitionError(
                    f"the tables in {schema_name!r}",
                    ["their SQL has changed since they were made: raise the projection's version"],
                )

    def schema_for(self, key: SubscriptionKey) -> str:
        """Name of the database schema that a projection's tables live in."""
        return schema_name(self._database.schema, key)

    @asynccontextmanager
    async def read_connection(
        self, *, search_path: str | None = None
    ) -> AsyncGenerator[handler.Connection]:
        """A connection in a read-only transaction, for queries."""
        async with self._database.lent(readonly=True) as connection:
            await _set_path(connection, search_path)
            yield cast("handler.Connection", connection)

    async def _create(self, connection: Connection, schema: str, tables: str) -> None:
        try:
            quoted = await connection.fetchval("select quote_ident($1)", schema)
            await connection.execute(f"create schema if not exists {quoted}")
            await _set_path(connection, schema)
            await connection.execute(tables)
        except asyncpg.PostgresError as error:
            raise DefinitionError(f"the tables in {schema!r}", [str(error)]) from error

    async def _fetch(self, statement: str, *values: object) -> Sequence[Any]:
        return await self._database.fetch(self._statements[statement], *values)


def subscription_rows(rows: Sequence[Any]) -> Sequence[SubscriptionRow]:
    """Rows of the statement `subscriptions`."""
    return [SubscriptionRow(SubscriptionKey(*row[:4]), *row[4:]) for row in map(tuple, rows)]


async def _set_path(connection: Connection, schema: str | None) -> None:
    if schema is not None:
        await connection.execute(_SEARCH_PATH, schema)


def _columns(keys: Collection[SubscriptionKey]) -> tuple[list[Any], ...]:
    return (
        [key.domain for key in keys],
        [key.name for key in keys],
        [key.version for key in keys],
        [key.partition for key in keys],
    )


def _owned(claim: Claim) -> tuple[object, ...]:
    key = claim.key
    return key.domain, key.name, key.version, key.partition, claim.owner, claim.epoch


def _demand(claim: Claim, rows: Sequence[object]) -> None:
    if not rows:
        raise Fenced(claim.key.name)


def _text(error: str) -> str:
    """Text that Postgres can hold."""
    return error.replace("\0", "\ufffd").encode(errors="replace").decode()[:_LONGEST_ERROR]
