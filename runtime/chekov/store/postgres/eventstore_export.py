"""Export from the tables of Chekov in Rust and of Commanded's EventStore: lines to import here.

Both programs have the tables `streams`, `events` and `stream_events`, and a stream `$all` that
gives the order. All lines come from one snapshot of the database, so an export shows one moment.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

from chekov.errors import StoreError
from chekov.serialization.export_lines import (
    FORMAT,
    EventLine,
    Heading,
    StreamLine,
    encode_event,
    encode_heading,
    encode_stream,
)
from chekov.serialization.foreign_events import Origin, content_of, metadata_of
from chekov.store.postgres.connection_options import DriverConnection, connect_once
from chekov.store.postgres.errors import DATABASE_ERRORS, Translator
from chekov.store.postgres.exporter import OnProgress, Write
from chekov.store.postgres.statements import check_schema, statements

_PAGE: Final = 1000
_ENDS: Final = UUID("5b9f0a52-6a0e-4bb2-9a3c-9d0c8d8a3f11")

NameStream = Callable[[str, frozenset[str]], str]
"""The name that a stream shall have, from the one it has and the types of its events."""


class Converted(NamedTuple):
    """What was converted."""

    events: int
    streams: int
    links: int
    """Events linked to further streams, which were left out."""


async def export_eventstore(
    dsn: str,
    schema: str,
    origin: Origin,
    write: Write,
    *,
    name_stream: NameStream,
    progress: OnProgress | None = None,
) -> Converted:
    """Write the events of another program's store as `export_events` writes ours.

    Events keep their ids, types, versions, times, correlation and causation, and get positions in
    the order of `$all`. A deleted stream ends with an event. Snapshots, subscriptions and links are
    left out.

    Args:
        dsn: where the other store's database is; a replica will do.
        schema: of its tables, `public` most often.
        origin: which program made it.
        write: takes bytes; it may block.
        name_stream: decides what each stream will be called.
        progress: called after each page.

    Raises:
        StoreUnavailable: the database cannot be reached, or was lost meanwhile.
        StoreError: the schema holds no such tables, two streams would have one name, or an event
            is not stored as JSON.
    """
    sql = statements("eventstore", check_schema(schema))
    connection: DriverConnection | None = None
    try:
        connection = await connect_once(dsn, application="chekov import")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(sql["snapshot"])
            await _check_tables(connection, schema)
            rows: list[Any] = await connection.fetch(sql["streams"])
            names = _names(rows, name_stream)
            total: int = await connection.fetchval(sql["count"])
            links: int = await connection.fetchval(sql["links"])
            ends = _Ends(rows)
            head = total + ends.count
            heading = Heading(
                format=FORMAT, after=0, after_id=None, head=head, streams=len(rows), keys=0
            )
            write(encode_heading(heading))
            cursor = connection.cursor(sql["events"], prefetch=_PAGE)
            async for event in _events(cursor, ends, names, origin):
                write(encode_event(event))
                if progress is not None and (event.position % _PAGE == 0 or event.position == head):
                    progress(event.position, head)
            for line in sorted(_streams(rows, names), key=lambda line: line.name):
                write(encode_stream(line))
    except DATABASE_ERRORS as error:
        raise Translator(dsn, schema, 0).store_error(error) from error
    finally:
        if connection is not None:
            connection.terminate()
    return Converted(total, len(rows), links)


class _Ends:
    """The ends of deleted streams, each to be put where its time belongs.

    So an export that is made later, with further events, begins as an earlier one does.
    """

    def __init__(self, streams: list[Any]) -> None:
        deleted = [stream for stream in streams if stream["deleted"] is not None]
        self.count = len(deleted)
        self._waiting = deque(sorted(deleted, key=itemgetter("deleted", "name")))
        self._last = {stream["name"]: stream["last"] for stream in deleted}
        """Of each deleted stream with events that are still to come, the last version."""

    def before(self, event: Any) -> Iterator[Any]:
        """The ends between the event before and this one."""
        while self._waiting:
            first = self._waiting[0]
            if first["deleted"] >= event["time"] or first["name"] in self._last:
                break
            yield self._waiting.popleft()
        if self._last.get(event["stream"]) == event["version"]:
            del self._last[event["stream"]]

    def rest(self) -> Iterable[Any]:
        """The ends after the last event."""
        return self._waiting


async def _events(
    cursor: Any, ends: "_Ends", names: Mapping[str, str], origin: Origin
) -> AsyncIterator[EventLine]:
    """All events with their new positions, and the ends of streams among them."""
    position = 0
    async for row in cursor:
        for end in ends.before(row):
            position += 1
            yield _end(end, position, names[end["name"]])
        position += 1
        yield _event(row, position, names[row["stream"]], origin)
    for end in ends.rest():
        position += 1
        yield _end(end, position, names[end["name"]])


async def _check_tables(connection: DriverConnection, schema: str) -> None:
    for table in ("streams", "events", "stream_events"):
        if await connection.fetchval("select to_regclass($1)", f"{schema}.{table}") is None:
            raise StoreError(
                f"there is no table {table} in the schema {schema!r} of the source: say where its "
                "tables are with --source-schema"
            )


def _names(rows: list[Any], name_stream: NameStream) -> Mapping[str, str]:
    names: dict[str, str] = {}
    owners: dict[str, str] = {}
    for row in rows:
        name = names[row["name"]] = name_stream(row["name"], frozenset(row["types"]))
        other = owners.setdefault(name, row["name"])
        if other != row["name"]:
            raise StoreError(
                f"the streams {other!r} and {row['name']!r} of the source would both be {name!r}"
            )
    return names


def _event(row: Any, position: int, stream: str, origin: Origin) -> EventLine:
    try:
        data = content_of(origin, _document(row["data"]))
        metadata = metadata_of(None if row["metadata"] is None else _document(row["metadata"]))
    except ValueError as error:
        raise StoreError(
            f"event {row['id']}, {row['type']} at {row['stream']} version {row['version']}, is not "
            f"stored as JSON: {error}"
        ) from error
    return EventLine(
        position,
        stream,
        row["version"],
        row["id"],
        row["type"],
        data,
        metadata,
        row["correlation_id"],
        row["causation_id"],
        row["time"],
        is_json=True,
    )


def _end(row: Any, position: int, stream: str) -> EventLine:
    """The event that ends a deleted stream here; the source has a date instead."""
    # Of the name, so that every export makes the same event.
    made = uuid5(_ENDS, stream)
    version: int = row["last"] + 1
    return EventLine(
        position,
        stream,
        version,
        made,
        "$deleted",
        b"{}",
        None,
        None,
        None,
        row["deleted"],
        is_json=True,
    )


def _streams(rows: list[Any], names: Mapping[str, str]) -> list[StreamLine]:
    return [
        StreamLine(
            name=names[row["name"]],
            created=row["created"],
            first=row["first"],
            deleted=row["deleted"],
        )
        for row in rows
    ]


def _document(value: str | bytes) -> bytes:
    """The document in a column of the type json, jsonb or bytea."""
    return value.encode() if isinstance(value, str) else value
