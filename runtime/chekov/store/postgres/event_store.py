"""The role `events` in Postgres. Payloads stay bytes: the store decodes nothing."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime
from types import CoroutineType
from typing import Any, Final
from uuid import UUID

from chekov.domain.event_filter import EVERYTHING, EventFilter
from chekov.domain.names import is_name
from chekov.domain.scope import Scope
from chekov.serialization.conditions import scope_text
from chekov.store.links import resolved, target
from chekov.store.port import (
    Appended,
    ConditionAhead,
    Direction,
    Expected,
    ExpectedVersion,
    Found,
    NewEvent,
    NoneSince,
    RecordedEvent,
    StreamAppend,
)
from chekov.store.postgres.background import BackgroundTasks
from chekov.store.postgres.page_statements import page_statement
from chekov.store.postgres.row_decoding import records
from chekov.store.postgres.schema import Schema
from chekov.store.postgres.stream_pages import StreamPages
from chekov.store.validation import HIGHEST, LARGEST_PAGE, LINK, check_scope

_PAGE: Final = 1000


class PostgresEventStore:
    """Appends through group commit; each page is one statement, repeated after a lost connection.

    Args:
        schema: of the store.
        background: runs group commit and hears of new events.
    """

    def __init__(
        self,
        schema: Schema,
        background: BackgroundTasks,
    ) -> None:
        self._schema = schema
        self._statements = schema.statements("events")
        self._background = background
        self._stream_pages = StreamPages(self._stream, self._streams, background.start)

    def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: ExpectedVersion = Expected.ANY,
        command_id: UUID | None = None,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> "CoroutineType[Any, Any, Appended]":
        """Store all of `events` at the end of `stream`, or none."""
        return self._background.committer.append(
            stream, events, expected, command_id, condition, unchanged
        )

    async def append_together(
        self,
        appends: Sequence[StreamAppend],
        *,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> Sequence[Appended]:
        """Store appends to several streams: all of them or none."""
        return await self._background.committer.append_together(appends, condition, unchanged)

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        until: int | datetime | None = None,
    ) -> Sequence[RecordedEvent]:
        """One page of a stream."""
        if limit <= 0 or not is_name(stream):
            return ()
        start = _start(after, direction)
        count = min(limit, LARGEST_PAGE)
        if until is None and direction == "forward":
            page = await self._stream_pages.read(stream, start, count)
        elif until is None:
            page = await self._page("stream_backward", stream, start, count)
        else:
            version, time = (None, until) if isinstance(until, datetime) else (_within(until), None)
            page = await self._page(
                f"stream_until_{direction}", stream, start, count, version, time
            )
        return await self._resolved(page)

    async def read_page(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        filter: EventFilter = EVERYTHING,
    ) -> Sequence[RecordedEvent]:
        """One page of the log."""
        found = page_statement(filter, direction)
        if limit <= 0 or found is None:
            return ()
        return await self._page(
            found.statement, _start(after, direction), min(limit, LARGEST_PAGE), *found.values
        )

    async def read_scope(
        self, scope: Scope, *, after: int = 0, anchor: UUID | None = None, limit: int = 1000
    ) -> Found:
        """The next events in a scope, and how far it was looked through."""
        check_scope(scope)
        wanted = min(limit, LARGEST_PAGE)
        if wanted <= 0:
            return Found((), after)
        items = scope_text(scope)
        rows = await self._read("scope", _within(after), wanted, items)
        *_, head, head_id, known = rows[0]
        if anchor not in (None, known):
            raise ConditionAhead(after, head)
        page = records([row for row in rows if row[0] is not None])
        if len(page) == wanted:
            return Found(page, page[-1].position, page[-1].id)
        return Found(page, head, head_id) if head >= after else Found(page, after)

    async def read_all(self, *, after: int = 0) -> AsyncGenerator[RecordedEvent]:
        """Every event above a position, up to the end of the log."""
        position = _within(after)
        while page := await self._page("all_forward", position, _PAGE):
            for event in page:
                yield event
            position = page[-1].position

    async def head(self) -> int:
        """The position of the last event."""
        rows = await self._read("head")
        return rows[0][0]

    async def types(self) -> Collection[str]:
        """The names of all events in the log."""
        return [name for (name,) in await self._read("types")]

    async def at_positions(self, positions: Collection[int]) -> Mapping[int, RecordedEvent]:
        """Position → event, for the positions that have one."""
        if not positions:
            return {}
        wanted = [position for position in positions if 0 < position <= HIGHEST]
        found = await self._page("at_positions", wanted)
        return {event.position: event for event in found}

    async def _stream(self, name: str, after: int, limit: int) -> Sequence[RecordedEvent]:
        return await self._page("stream_forward", name, after, limit)

    async def _streams(
        self, names: Sequence[str], after: Sequence[int], limit: int
    ) -> Sequence[Sequence[RecordedEvent]]:
        rows = await self._read("streams_forward", names, after, limit)
        pages: list[list[RecordedEvent]] = [[] for _ in names]
        for row, event in zip(rows, records(rows), strict=True):
            number: int = row["asked"]
            pages[number].append(event)
        return pages

    async def _resolved(self, page: Sequence[RecordedEvent]) -> Sequence[RecordedEvent]:
        """The page with its links replaced by the linked events."""
        leads = {event.position: target(event) for event in page if event.type == LINK}
        if not leads:
            return page
        found = await self.at_positions(set(leads.values()))
        return [
            resolved(event, found[leads[event.position]]) if event.position in leads else event
            for event in page
        ]

    async def _page(self, statement: str, *values: object) -> Sequence[RecordedEvent]:
        return records(await self._read(statement, *values))

    async def _read(self, statement: str, *values: object) -> Sequence[Any]:
        return await self._schema.fetch(self._statements[statement], *values)


def _start(after: int, direction: Direction) -> int:
    if direction == "backward" and after <= 0:
        return HIGHEST
    return _within(after)


def _within(number: int) -> int:
    return max(min(number, HIGHEST), 0)
