"""Export: the lines are made by Postgres and passed on as they come, so memory stays small.

All of it is seen in one snapshot, so an export is of one moment however long it takes, while others
write, delete and erase.
"""

from collections.abc import Callable
from typing import Any, Final, LiteralString, NamedTuple, cast

from chekov.serialization.export_lines import FORMAT, Heading, encode_heading
from chekov.store.postgres.connection_options import Connection, connect_once
from chekov.store.postgres.errors import DATABASE_ERRORS, Translator
from chekov.store.postgres.migrator import needed_version, verify
from chekov.store.postgres.statements import check_schema, statements

# As CSV with a quote and a delimiter that JSON cannot hold, a line comes as it is.
_FORMAT: Final[dict[str, Any]] = {"format": "csv", "quote": "\x01", "delimiter": "\x02"}

Write = Callable[[bytes], object]
Progress = Callable[[int, int], None]
"""Told how many events are done, and how many there are."""


class Exported(NamedTuple):
    """What went into an export."""

    events: int
    head: int
    """Position of the last event."""
    streams: int
    keys: int


async def export_events(
    dsn: str,
    schema: str,
    write: Write,
    *,
    after: int = 0,
    keys: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write a store's events and streams as lines of JSON.

    Args:
        dsn: where the database is; a replica will do.
        schema: the store's schema.
        write: takes bytes; it may block.
        after: only events above this position.
        keys: also the keys of personal data, which whoever reads the lines can then read.
        progress: called now and then.

    Raises:
        StoreUnavailable: the database cannot be reached, or was lost on the way.
        SchemaMismatch: there is no store that this code knows.
        StoreError: the database refuses.
    """
    sql = statements("transfer", check_schema(schema))
    connection: Connection | None = None
    try:
        connection = await connect_once(dsn, application="chekov export")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(sql["limits"])
            await verify(connection, schema)
            row: Any = await connection.fetchrow(sql["contents"], after)
            head, streams, after_id = row
            kept: int = await connection.fetchval(sql["count_keys"]) if keys else 0
            after = min(after, head)
            heading = Heading(
                format=FORMAT,
                after=after,
                after_id=after_id,
                head=head,
                streams=streams,
                keys=kept,
            )
            write(encode_heading(heading))
            events = cast("LiteralString", sql["event_lines"].replace(":after", str(int(after))))
            await _copy(connection, events, write, progress, head - after)
            await _copy(connection, sql["stream_lines"], write)
            if kept:
                await _copy(connection, sql["key_lines"], write)
    except DATABASE_ERRORS as error:
        raise Translator(dsn, schema, needed_version()).store_error(error) from error
    finally:
        if connection is not None:
            connection.terminate()
    return Exported(head - after, head, streams, kept)


async def _copy(
    connection: Connection,
    sql: LiteralString,
    write: Write,
    progress: Progress | None = None,
    total: int = 0,
) -> None:
    done = 0

    async def take(chunk: bytes) -> None:
        nonlocal done
        write(chunk)
        if progress is not None:
            done += chunk.count(b"\n")
            progress(done, total)

    await connection.copy_from_query(sql, output=take, **_FORMAT)
