"""The role `read_models` in Postgres: projections' tables, and transactions with checkpoints."""

import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final, cast
from uuid import UUID

import asyncpg

from chekov.domain import handler
from chekov.errors import DefinitionError
from chekov.store.port import (
    Appended,
    Claim,
    Expected,
    ExpectedVersion,
    NewEvent,
    RejectedValue,
    StreamAppend,
    SubscriptionKey,
)
from chekov.store.postgres.append.append_in_transaction import append_in_transaction
from chekov.store.postgres.connection_options import DriverConnection
from chekov.store.postgres.schema import Schema
from chekov.store.postgres.subscriptions import check_fenced, owner_of
from chekov.store.projection_schema import schema_name

_REJECTED_VALUES: Final = (
    asyncpg.NumericValueOutOfRangeError,
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
    asyncpg.InvalidTextRepresentationError,
    asyncpg.DatetimeFieldOverflowError,
    asyncpg.InvalidDatetimeFormatError,
    asyncpg.InvalidRegularExpressionError,
    asyncpg.InvalidRowCountInLimitClauseError,
    asyncpg.InvalidRowCountInResultOffsetClauseError,
)


class PostgresReadModels:
    """One schema per version of a projection, beside the store's own.

    Args:
        schema: of the store.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._statements = schema.statements("read_models")

    async def create_tables(self, schema_name: str, tables: str) -> None:
        """Create a database schema and run `tables` in it, once."""
        digest = hashlib.sha256(tables.encode()).hexdigest()
        async with self._schema.lent() as connection:
            await connection.execute(self._statements["lock"], schema_name)
            made = await connection.fetchval(self._statements["digest"], schema_name)
            if made is None:
                await self._create(connection, schema_name, tables)
                await connection.execute(self._statements["created"], schema_name, digest)
            elif made != digest:
                raise DefinitionError(
                    f"the tables in {schema_name!r}",
                    ["their SQL has changed since they were made: raise the projection's version"],
                )

    def schema_for(self, key: SubscriptionKey) -> str:
        """Name of the database schema that a projection's tables live in."""
        return schema_name(self._schema.name, key)

    @asynccontextmanager
    async def read_connection(
        self, *, search_path: str | None = None
    ) -> AsyncGenerator[handler.Connection]:
        """A connection in a read-only transaction, for queries."""
        try:
            async with self._schema.lent(readonly=True, search_path=search_path) as connection:
                yield cast("handler.Connection", connection)
        except asyncpg.DataError as error:
            if not _is_rejected_value(error):
                raise
            raise RejectedValue(f"Postgres rejects a value: {error}") from error

    @asynccontextmanager
    async def transaction(
        self, claim: Claim, position: int, *, search_path: str | None = None
    ) -> AsyncGenerator[handler.Connection]:
        """A database transaction that moves the checkpoint to `position` as it commits."""
        async with self._schema.lent(search_path=search_path) as connection:
            yield cast("handler.Connection", connection)
            # Last, so that the row is locked for a moment only and a stale owner is still refused.
            try:
                rows = await connection.fetch(
                    self._statements["advance"], *owner_of(claim), position
                )
            except TimeoutError as error:
                raise self._schema.translator.unavailable(error) from error
            check_fenced(claim, rows)

    async def append_in_transaction(
        self,
        connection: "handler.Connection | DriverConnection",
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: ExpectedVersion = Expected.ANY,
        command_id: UUID | None = None,
    ) -> Appended:
        """Append within the caller's transaction."""
        return await append_in_transaction(
            cast("DriverConnection", connection),
            self._schema,
            StreamAppend(stream, events, expected),
            command_id,
        )

    async def _create(self, connection: DriverConnection, schema: str, tables: str) -> None:
        try:
            quoted = await connection.fetchval("select quote_ident($1)", schema)
            await connection.execute(f"create schema if not exists {quoted}")
            await connection.execute(self._statements["search_path"], schema)
            await connection.execute(tables)
        except asyncpg.PostgresError as error:
            raise DefinitionError(f"the tables in {schema!r}", [str(error)]) from error


def _is_rejected_value(error: asyncpg.DataError) -> bool:
    """Whether a value is at fault, and not the statement: asyncpg's cause is its conversion."""
    return isinstance(error, _REJECTED_VALUES) or isinstance(
        error.__cause__, ValueError | OverflowError
    )
