"""Stores as Chekov in Rust and Commanded's EventStore keep them: their tables, filled."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid4

import asyncpg

ColumnType = Literal["jsonb", "json", "bytea"]

_TABLES = """
create schema {schema};
create table {schema}.streams (
    stream_id bigserial primary key, stream_uuid text not null unique,
    stream_version bigint default 0 not null, {origin}
    created_at timestamptz default now() not null, deleted_at timestamptz
);
create table {schema}.events (
    event_id uuid primary key, event_type text not null, causation_id uuid, correlation_id uuid,
    data {column} not null, metadata {column}, created_at timestamptz default now() not null
);
create table {schema}.stream_events (
    event_id uuid not null references {schema}.events,
    stream_id bigint not null references {schema}.streams,
    stream_version bigint not null,
    original_stream_id bigint references {schema}.streams,
    original_stream_version bigint,
    primary key (event_id, stream_id),
    unique (stream_id, stream_version)
);
insert into {schema}.streams (stream_id, stream_uuid) values (0, '$all')
"""


class Stored(NamedTuple):
    """An event in a foreign store."""

    id: UUID
    stream: str
    type: str
    data: bytes
    metadata: bytes | None
    causation_id: UUID | None
    correlation_id: UUID | None
    time: datetime


def stored(stream: str, type_: str, data: object, **further: Any) -> Stored:
    """An event with these values, and others made up."""
    values: Mapping[str, Any] = {
        "id": uuid4(),
        "metadata": b"{}",
        "causation_id": uuid4(),
        "correlation_id": uuid4(),
        "time": datetime(2023, 3, 1, 12, 30, 15, 123456, tzinfo=UTC),
        **further,
    }
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Stored(stream=stream, type=type_, data=content, **values)


class ForeignStore:
    """The tables of one of the two programs.

    Args:
        connection: to its database.
        schema: that is made for it.
        column: type of the columns for content; Chekov in Rust has `jsonb`.
        origin: whether streams have the column `stream_origin`, as EventStore's have.
    """

    def __init__(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        schema: str,
        column: ColumnType = "jsonb",
        *,
        origin: bool = False,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._column = column
        self._origin = "stream_origin bigint default 0 not null," if origin else ""

    async def make(self) -> None:
        """Make the tables."""
        await self._connection.execute(
            _TABLES.format(schema=self._schema, column=self._column, origin=self._origin)
        )

    async def append(self, events: Sequence[Stored]) -> None:
        """Store events, and link each to the stream of all."""
        for event in events:
            number, version = await self._next(event.stream)
            _, place = await self._next("$all")
            await self._execute(
                "insert into {schema}.events values ($1, $2, $3, $4, $5, $6, $7)",
                event.id,
                event.type,
                event.causation_id,
                event.correlation_id,
                self._content(event.data),
                None if event.metadata is None else self._content(event.metadata),
                event.time,
            )
            link = "insert into {schema}.stream_events values ($1, $2, $3, $4, $5)"
            await self._execute(link, event.id, number, version, number, version)
            await self._execute(link, event.id, 0, place, number, version)

    async def link(self, event: Stored, stream: str) -> None:
        """Link a stored event to one more stream."""
        number, version = await self._next(stream)
        await self._execute(
            "insert into {schema}.stream_events select event_id, $1, $2, original_stream_id,"
            " original_stream_version from {schema}.stream_events"
            " where event_id = $3 and stream_id = 0",
            number,
            version,
            event.id,
        )

    async def delete_for_good(self, event: Stored) -> None:
        """Delete an event with its links, as EventStore trims a stream."""
        await self._execute("delete from {schema}.stream_events where event_id = $1", event.id)
        await self._execute("delete from {schema}.events where event_id = $1", event.id)

    async def delete_stream(self, stream: str) -> None:
        """Mark a stream as deleted."""
        await self._execute(
            "update {schema}.streams set deleted_at = now() where stream_uuid = $1", stream
        )

    async def _next(self, stream: str) -> tuple[int, int]:
        row = await self._connection.fetchrow(
            f"insert into {self._schema}.streams (stream_uuid, stream_version) values ($1, 1)"
            " on conflict (stream_uuid) do update"
            " set stream_version = streams.stream_version + 1"
            " returning stream_id, stream_version",
            stream,
        )
        assert row
        return row[0], row[1]

    def _content(self, document: bytes) -> str | bytes:
        return document if self._column == "bytea" else document.decode()

    async def _execute(self, sql: str, *values: object) -> None:
        await self._connection.execute(sql.format(schema=self._schema), *values)
