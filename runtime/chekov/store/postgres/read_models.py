"""The role `read_models` in Postgres: projections' tables, and transactions with checkpoints."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, cast
from uuid import UUID

import asyncpg

from chekov.domain.connection import Connection
from chekov.store.port import (
    Appended,
    CheckpointMove,
    Claim,
    Expected,
    ExpectedVersion,
    NewEvent,
    NoneSince,
    ProjectionBuilding,
    QueryTimeout,
    RejectedValue,
    StreamAppend,
    SubscriptionKey,
)
from chekov.store.postgres import connection_options
from chekov.store.postgres.append.append_in_transaction import append_in_transaction
from chekov.store.postgres.connection_options import DriverConnection
from chekov.store.postgres.generations import PostgresGenerations, create_tables
from chekov.store.postgres.schema import Schema
from chekov.store.postgres.subscriptions import check_fenced, owner_of, parking_columns
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
        self._parking = schema.statements("subscriptions")
        self.generations = PostgresGenerations(schema)

    @property
    def longest_idle(self) -> float:
        """Seconds after which Postgres ends a transaction in which nothing is executed."""
        return connection_options.LENT_SECONDS

    async def create_tables(self, schema_name: str, tables: str) -> None:
        """Create a database schema and run `tables` in it, once."""
        async with self._schema.lent() as connection:
            await create_tables(connection, self._statements, schema_name, tables)

    def schema_for(self, key: SubscriptionKey) -> str:
        """Name of the database schema that a projection's tables live in."""
        return schema_name(self._schema.name, key)

    @asynccontextmanager
    async def serving(self, key: SubscriptionKey) -> AsyncGenerator[Connection]:
        """A connection for queries, whose names resolve in the serving generation."""
        async with self.read_connection() as connection:
            version = key.domain, key.name, key.version
            if await connection.fetchval(self._statements["serving"], *version) is None:
                raise ProjectionBuilding(key.name, await self.generations.building(key))
            yield connection

    @asynccontextmanager
    async def read_connection(
        self, *, search_path: str | None = None
    ) -> AsyncGenerator[Connection]:
        """A connection in a read-only transaction, for queries."""
        try:
            async with self._schema.lent(readonly=True, search_path=search_path) as connection:
                yield cast("Connection", connection)
        except asyncpg.QueryCanceledError as error:
            raise QueryTimeout(self._schema.pool.query_timeout) from error
        except asyncpg.DataError as error:
            if not _is_rejected_value(error):
                raise
            raise RejectedValue(f"Postgres rejects a value: {error}") from error

    @asynccontextmanager
    async def transaction(
        self,
        claim: Claim,
        move: CheckpointMove,
        *,
        search_path: str | None = None,
    ) -> AsyncGenerator[Connection]:
        """A database transaction that moves the checkpoint as it commits."""
        async with self._schema.lent(search_path=search_path, claim=claim) as connection:
            yield cast("Connection", connection)
            # Last, so that the row is locked for a moment only and a stale owner is still refused.
            try:
                rows = await connection.fetch(
                    self._parking["unpark"] if move.unpark else self._statements["advance"],
                    *owner_of(claim),
                    move.position,
                )
                if rows and move.parked:
                    rows = await connection.fetch(
                        self._parking["park"],
                        *owner_of(claim),
                        move.position,
                        *parking_columns(move.parked),
                    )
            except TimeoutError as error:
                raise self._schema.translator.unavailable(error) from error
            check_fenced(claim, rows)
            move.building = claim.building if move.unpark else rows[0]["building"]

    def rejects_value(self, error: BaseException) -> bool:
        """Whether a value is at fault that no column of its type holds."""
        return isinstance(error, asyncpg.DataError | asyncpg.CheckViolationError)

    async def append_in_transaction(
        self,
        connection: "Connection | DriverConnection",
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: ExpectedVersion = Expected.ANY,
        command_id: UUID | None = None,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> Appended:
        """Append within the caller's transaction."""
        return await append_in_transaction(
            cast("DriverConnection", connection),
            self._schema,
            StreamAppend(stream, events, expected),
            command_id,
            condition,
            unchanged,
        )


def _is_rejected_value(error: asyncpg.DataError) -> bool:
    """Whether a value is at fault, and not the statement: asyncpg's cause is its conversion."""
    return isinstance(error, _REJECTED_VALUES) or isinstance(
        error.__cause__, ValueError | OverflowError
    )
