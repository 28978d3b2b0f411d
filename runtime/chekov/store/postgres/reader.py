"""Reading events. Payloads come as bytes: nothing is decoded that nobody looks at."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chekov.errors import StreamDeleted, StreamNotFound
from chekov.store.filters import next_prefix
from chekov.store.links import resolved, target
from chekov.store.port import Direction, RecordedEvent, StreamInfo
from chekov.store.postgres.connections import Database
from chekov.store.postgres.page_statements import page_query
from chekov.store.postgres.row_decoding import records
from chekov.store.postgres.statements import statements
from chekov.store.validation import HIGHEST, LARGEST_PAGE, LINK, is_name


class Reader:
    """Pages of events; each is one statement, made again when the connection is lost."""

    def __init__(self, database: Database) -> None:
        self._reading = database
        self._reads = statements("events", database.schema)

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
        if until is None:
            page = await self._page(f"stream_{direction}", stream, start, count)
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
        types: Collection[str] | None = None,
        category: str | None = None,
        prefix: str | None = None,
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
    ) -> Sequence[RecordedEvent]:
        """One page of everything."""
        query = page_query(
            direction,
            types=types,
            category=category,
            prefix=prefix,
            correlation_id=correlation_id,
            causation_id=causation_id,
        )
        if limit <= 0 or query is None:
            return ()
        return await self._page(
            query.statement, _start(after, direction), min(limit, LARGEST_PAGE), *query.values
        )

    async def read_all(self, *, after: int = 0) -> AsyncGenerator[RecordedEvent]:
        """Everything above a position, up to the end."""
        position = _within(after)
        while page := await self._page("all_forward", position, 1000):
            for event in page:
                yield event
            position = page[-1].position

    async def head(self) -> int:
        """The position of the last event."""
        rows = await self._read("head")
        return rows[0][0]

    async def stream_info(self, stream: str) -> StreamInfo:
        """A stream's version and age."""
        rows = await self._read("stream_info", stream) if is_name(stream) else ()
        if not rows:
            raise StreamNotFound(stream)
        *info, deleted = rows[0]
        if deleted is not None:
            raise StreamDeleted(stream)
        return StreamInfo._make(info)

    async def streams(
        self, *, prefix: str = "", containing: str = "", after: str = "", limit: int = 100
    ) -> Sequence[StreamInfo]:
        """One page of the streams that can be read, by the bytes of their names."""
        parts = (prefix, containing, after)
        if limit <= 0 or not all(is_name(part) for part in parts if part):
            return ()
        rows = await self._read(
            "streams",
            after,
            prefix,
            next_prefix(prefix),
            containing or None,
            min(limit, LARGEST_PAGE),
        )
        return [StreamInfo._make(row) for row in rows]

    async def at_positions(self, positions: Collection[int]) -> Mapping[int, RecordedEvent]:
        """The events at these positions that are there."""
        if not positions:
            return {}
        wanted = [position for position in positions if 0 < position <= HIGHEST]
        found = await self._page("at_positions", wanted)
        return {event.position: event for event in found}

    async def ping(self) -> None:
        """Prove that the store answers."""
        await self._read("head")

    async def _resolved(self, page: Sequence[RecordedEvent]) -> Sequence[RecordedEvent]:
        """The page with what its links lead to, where there are any."""
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
        return await self._reading.fetch(self._reads[statement], *values)


def _start(after: int, direction: Direction) -> int:
    if direction == "backward" and after <= 0:
        return HIGHEST
    return _within(after)


def _within(number: int) -> int:
    return max(min(number, HIGHEST), 0)
