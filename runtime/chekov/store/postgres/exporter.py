"""Export: Postgres makes the lines, and they are passed on as they arrive, in little memory.

All of them come from one database snapshot, so an export shows a single moment, however long it
takes and whatever others write, delete and erase meanwhile.
"""

from collections.abc import Callable
from typing import Any, Final, LiteralString, NamedTuple, cast

from chekov.errors import StoreError
from chekov.serialization.export_lines import FORMAT, Heading, encode_heading
from chekov.store.postgres.connection_options import DriverConnection, connect_once
from chekov.store.postgres.errors import DATABASE_ERRORS, Translator
from chekov.store.postgres.migrator import needed_version, verify
from chekov.store.postgres.statements import check_schema, statements

# In CSV with a quote and a delimiter that JSON cannot contain, a line is not changed.
_FORMAT: Final[dict[str, Any]] = {"format": "csv", "quote": "\x01", "delimiter": "\x02"}

Write = Callable[[bytes], object]
OnProgress = Callable[[int, int], None]
"""Called with the number of events done, and of all events."""


class Exported(NamedTuple):
    """What an export holds."""

    events: int
    head: int
    """Position of the last event."""
    streams: int
    keys: int
    work: int
    """Rows of what is under way; 0 when they were not asked for."""
    left: "Left"


class Left(NamedTuple):
    """What is under way, and was not exported."""

    instances: int = 0
    commands: int = 0
    timers: int = 0
    scheduled: int = 0


async def export_events(
    dsn: str,
    schema: str,
    write: Write,
    *,
    after: int = 0,
    keys: bool = False,
    work: bool = False,
    progress: OnProgress | None = None,
) -> Exported:
    """Write a store's events and streams as lines of JSON.

    Args:
        dsn: where the database is; a replica will do.
        schema: the store's schema.
        write: takes bytes; it may block.
        after: only events above this position.
        keys: also export the keys of personal data, so that readers of the lines can read it.
        work: also export what handlers have done and what is under way: checkpoints and parked
            events, but those of projections; open instances of process managers, their commands
            and timers; scheduled commands.
        progress: called after each chunk.

    Raises:
        StoreUnavailable: the database cannot be reached, or was lost meanwhile.
        SchemaMismatch: the schema holds no store that this code knows.
        StoreError: the database refuses; or what is under way is encrypted, and its keys are not
            asked for.
    """
    sql = statements("transfer", check_schema(schema))
    connection: DriverConnection | None = None
    try:
        connection = await connect_once(dsn, application="chekov export")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(sql["limits"])
            await verify(connection, schema)
            row: Any = await connection.fetchrow(sql["contents"], after)
            head, streams, after_id = row
            kept: int = await connection.fetchval(sql["count_keys"]) if keys else 0
            if work and not keys and await connection.fetchval(sql["work_is_sealed"]):
                raise StoreError(
                    "what process managers and scheduled commands keep is encrypted, and nobody "
                    "could read it without its keys: export those as well, with --keys"
                )
            rows: int | None = await connection.fetchval(sql["count_work"]) if work else None
            left = Left() if work else Left(*(await connection.fetchrow(sql["count_open"]) or ()))
            after = min(after, head)
            heading = Heading(
                format=FORMAT,
                after=after,
                after_id=after_id,
                head=head,
                streams=streams,
                keys=kept,
                work=rows,
            )
            write(encode_heading(heading))
            events = cast("LiteralString", sql["event_lines"].replace(":after", str(int(after))))
            await _copy(connection, events, write, progress, head - after)
            await _copy(connection, sql["stream_lines"], write)
            if kept:
                await _copy(connection, sql["key_lines"], write)
            if rows:
                await _copy(connection, sql["work_lines"], write)
    except DATABASE_ERRORS as error:
        raise Translator(dsn, schema, needed_version()).store_error(error) from error
    finally:
        if connection is not None:
            connection.terminate()
    return Exported(head - after, head, streams, kept, rows or 0, left)


async def _copy(
    connection: DriverConnection,
    sql: LiteralString,
    write: Write,
    progress: OnProgress | None = None,
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
