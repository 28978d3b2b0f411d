"""Import: exported events are stored in transactions of some thousand.

An import that was interrupted continues where it stopped: events that are stored already are
compared with the lines instead of being stored again.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from chekov.errors import MalformedExport, StoreDiverged, StoreError
from chekov.serialization.export_lines import (
    Heading,
    KeyLine,
    StreamLine,
    decode_event,
    decode_heading,
    decode_key,
    decode_stream,
    decode_work,
)
from chekov.store.port import RecordedEvent
from chekov.store.postgres.connection_options import DriverConnection, connect_once
from chekov.store.postgres.errors import DATABASE_ERRORS, Fault, Translator, fault_of
from chekov.store.postgres.migrator import needed_version, verify
from chekov.store.postgres.row_decoding import EVENT_COLUMNS, TAG_COLUMNS, records
from chekov.store.postgres.statements import check_schema, statements
from chekov.store.postgres.work_import import WorkImport

_BATCH_LINES: Final = 4000
_BATCH_BYTES: Final = 8 * 1024 * 1024
_OTHER_WRITER: Final = "another process appends to it"

OnProgress = Callable[[int, int], None]


class _EventLine(NamedTuple):
    event: RecordedEvent
    is_json: bool
    tags: Mapping[str, UUID | None]


class Imported(NamedTuple):
    """What an import did."""

    events: int
    """Stored now."""
    found: int
    """Stored before."""
    head: int
    """Position of the last event."""
    streams: int
    keys: int
    work: int


async def import_events(
    dsn: str,
    schema: str,
    lines: Iterable[bytes],
    *,
    keys: bool = False,
    work: bool = False,
    progress: OnProgress | None = None,
) -> Imported:
    """Store what `export_events` wrote, at the same positions.

    No other process may append meanwhile. The store must be empty, or hold the first events of the
    export.

    Args:
        dsn: where the database is.
        schema: the store's schema; `chekov migrate` creates it.
        lines: of the export.
        keys: also import the keys of personal data, if the export holds them.
        work: replace what handlers have done and what is under way by what the export holds; no
            process may run them meanwhile.
        progress: called after each batch.

    Raises:
        MalformedExport: the lines cannot be read, are in the wrong order, or end too early.
        StoreDiverged: the store holds other events.
        StoreUnavailable: the database cannot be reached, or was lost; import again to continue.
        SchemaMismatch: the schema holds no store that this code knows.
        StoreError: the database refuses.
    """
    connection: DriverConnection | None = None
    try:
        connection = await connect_once(dsn, application="chekov import")
        async with connection.transaction():
            await verify(connection, check_schema(schema))
        importer = _Importer(connection, schema, _Lines(lines), progress)
        return await importer.run(keys=keys, work=work)
    except DATABASE_ERRORS as error:
        raise Translator(dsn, schema, needed_version()).store_error(error) from error
    finally:
        if connection is not None:
            connection.terminate()


class _Lines:
    """Lines with their numbers."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self.number = 0

    def next(self, missing: str) -> bytes:
        """The next line, which must exist."""
        line = self.next_if_any()
        if line is None:
            raise MalformedExport(self.number, f"the export ends here, {missing}: it was truncated")
        return line

    def next_if_any(self) -> bytes | None:
        """The next line, if there is one."""
        try:
            line = next(self._lines, None)
        except (EOFError, OSError, ValueError, zlib.error) as error:
            raise MalformedExport(self.number, f"the export cannot be read: {error}") from error
        self.number += line is not None
        return line


class _Importer:
    def __init__(
        self, connection: DriverConnection, schema: str, lines: _Lines, progress: OnProgress | None
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._sql = statements("transfer", schema)
        self._misplaced = statements("verify", schema)["misplaced"]
        self._lines = lines
        self._progress = progress

    async def run(self, *, keys: bool, work: bool) -> Imported:
        heading = decode_heading(self._lines.next("without a heading"))
        if work and heading.work is None:
            raise MalformedExport(1, "it holds nothing that is under way: export it with --work")
        found = await self._connection.fetchval(self._sql["head"])
        await self._check_beginning(heading, found)
        end = heading.after
        for batch in self._events(heading):
            await self._compare([line.event for line in batch if line.event.position <= found])
            await self._store([line for line in batch if line.event.position > found])
            end = batch[-1].event.position
            if self._progress is not None:
                self._progress(end - heading.after, heading.head - heading.after)
        await self._streams(heading.streams)
        stored_keys = await self._keys(heading.keys, wanted=keys)
        rows = await self._work(heading.work or 0, wanted=work)
        if self._lines.next_if_any() is not None:
            raise MalformedExport(self._lines.number, "there are more lines than the heading says")
        before = max(min(found, end) - heading.after, 0)
        return Imported(
            end - heading.after - before, before, end, heading.streams, stored_keys, rows
        )

    async def _check_beginning(self, heading: Heading, found: int) -> None:
        if found < heading.after:
            raise StoreDiverged(found + 1, f"the export has only events above {heading.after}")
        if found > heading.head:
            raise StoreDiverged(heading.head + 1, f"the store has events up to {found}")
        if heading.after:
            own = await self._connection.fetchval(self._sql["id_at"], heading.after)
            if own != heading.after_id:
                raise StoreDiverged(heading.after, f"it is event {own}, not {heading.after_id}")

    def _events(self, heading: Heading) -> Iterator[list[_EventLine]]:
        """The events in batches of bounded size."""
        batch: list[_EventLine] = []
        size = 0
        for position in range(heading.after + 1, heading.head + 1):
            line = self._lines.next(f"before event {position} of {heading.head}")
            decoded = decode_event(line, self._lines.number)
            found = _EventLine(RecordedEvent(*decoded[:-2]), *decoded[-2:])
            if found.event.position != position:
                raise MalformedExport(
                    self._lines.number,
                    f"expected position {position}, found {found.event.position}",
                )
            batch.append(found)
            size += len(line)
            if len(batch) == _BATCH_LINES or size > _BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    async def _compare(self, events: list[Any]) -> None:
        if not events:
            return
        span = events[0].position - 1, events[-1].position
        stored = records(await self._connection.fetch(self._sql["stored"], *span))
        for own, event in zip(stored, events, strict=True):
            if own != event:
                raise StoreDiverged(event.position, "the events are not the same")

    async def _store(self, batch: list[_EventLine]) -> None:
        if not batch:
            return
        sql, connection = self._sql, self._connection
        span = batch[0].event.position - 1, batch[-1].event.position
        try:
            async with connection.transaction():
                await connection.execute(sql["limits"])
                await connection.execute(sql["append_lock"])
                head = await connection.fetchval(sql["head"])
                if head != span[0]:
                    raise StoreDiverged(min(head, span[0]) + 1, _OTHER_WRITER)
                await connection.copy_records_to_table(
                    "events",
                    schema_name=self._schema,
                    columns=EVENT_COLUMNS,
                    records=map(_row, batch),
                )
                tags = [row for line in batch for row in _tag_rows(line)]
                if tags:
                    await connection.copy_records_to_table(
                        "tags", schema_name=self._schema, columns=TAG_COLUMNS, records=tags
                    )
                    await connection.execute(sql["untag_forgotten"], *span)
                await connection.execute(sql["forget_tag_kinds"])
                await connection.execute(sql["add_streams"], *span)
                misplaced = await connection.fetchval(self._misplaced, *span)
                if misplaced is not None:
                    raise MalformedExport(
                        self._lines.number - span[1] + misplaced,
                        f"event {misplaced} does not follow the one before it in its stream",
                    )
        except (asyncpg.PostgresError, ValueError, TypeError) as error:
            if isinstance(error, asyncpg.PostgresError):
                if _is_taken(error):
                    # A lone writer, which takes no append lock, stored an event in between.
                    raise StoreDiverged(span[0] + 1, _OTHER_WRITER) from error
                if not _is_about_values(error):
                    raise
            raise MalformedExport(
                self._lines.number, f"events {span[0] + 1} to {span[1]} cannot be stored: {error}"
            ) from error

    async def _streams(self, count: int) -> None:
        for lines in self._rest(count, decode_stream):
            rows: list[StreamLine] = list(lines)
            await self._connection.execute(
                self._sql["set_streams"],
                [row.name for row in rows],
                [row.created for row in rows],
                [row.first for row in rows],
                [row.deleted for row in rows],
            )

    async def _keys(self, count: int, *, wanted: bool) -> int:
        for lines in self._rest(count, decode_key):
            rows: list[KeyLine] = list(lines)
            if wanted:
                await self._add_keys(rows)
        return count if wanted else 0

    async def _add_keys(self, rows: list[KeyLine]) -> None:
        try:
            await self._connection.execute(
                self._sql["add_keys"],
                [row.key for row in rows],
                [row.subject for row in rows],
                [row.secret for row in rows],
                [row.created for row in rows],
                [row.forgotten for row in rows],
            )
        except asyncpg.UniqueViolationError as error:
            raise StoreError(f"the store has other keys already: {error.detail}") from error

    async def _work(self, count: int, *, wanted: bool) -> int:
        batches = self._rest(count, decode_work)
        if not wanted:
            for _ in batches:
                pass
            return 0
        async with self._connection.transaction():
            await self._connection.execute(self._sql["limits"])
            work = WorkImport(self._connection, self._sql)
            await work.clear()
            for lines in batches:
                await work.add(lines, self._lines.number)
            await work.finish()
        return count

    def _rest(self, count: int, decode: Callable[[bytes, int], Any]) -> Iterator[list[Any]]:
        """The next lines, decoded, in batches."""

        def every() -> Iterator[Any]:
            for number in range(1, count + 1):
                line = self._lines.next(f"before entry {number} of {count}")
                yield decode(line, self._lines.number)

        entries = every()
        while batch := list(islice(entries, _BATCH_LINES)):
            yield batch


def _is_taken(error: asyncpg.PostgresError) -> bool:
    return (
        isinstance(error, asyncpg.UniqueViolationError)
        and error.constraint_name == "events_position"
    )


def _is_about_values(error: asyncpg.PostgresError) -> bool:
    return isinstance(error, asyncpg.IntegrityConstraintViolationError) or (
        fault_of(error) is Fault.REJECTED_VALUE
    )


def _tag_rows(line: _EventLine) -> Iterator[tuple[Any, ...]]:
    return ((tag, line.event.position, line.event.type, key) for tag, key in line.tags.items())


def _row(line: _EventLine) -> tuple[Any, ...]:
    event = line.event
    return (
        *event[:5],
        event.data.decode() if line.is_json else None,
        None if event.metadata is None else event.metadata.decode(),
        event.correlation_id,
        event.causation_id,
        event.time,
        None if line.is_json else event.data,
    )
