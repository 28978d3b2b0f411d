"""The role `streams` in Postgres."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from chekov.domain.names import OWN, is_name
from chekov.errors import StreamDeleted, StreamNotFound, WrongExpectedVersion
from chekov.store.filters import next_prefix
from chekov.store.links import linkable, new_link
from chekov.store.port import Appended, Expected, ExpectedVersion, StreamInfo
from chekov.store.postgres.append.batch import refusal
from chekov.store.postgres.background import BackgroundTasks
from chekov.store.postgres.event_store import PostgresEventStore
from chekov.store.postgres.listener import keys_channel
from chekov.store.postgres.schema import Schema
from chekov.store.tail import Tail
from chekov.store.validation import HIGHEST, LARGEST_PAGE, check_expected, check_link


class PostgresStreams:
    """Deletes and truncates streams by a statement on a pooled connection each: both are rare.

    Args:
        schema: of the store.
        events: finds the events to link.
        background: appends links.
        tail: drops what was erased.
    """

    def __init__(
        self,
        schema: Schema,
        events: PostgresEventStore,
        background: BackgroundTasks,
        tail: Tail,
    ) -> None:
        self._schema = schema
        self._statements = schema.statements("events")
        self._tail = tail
        self._keys_channel = keys_channel(schema.name)
        self._events = events
        self._background = background

    async def delete(
        self, stream: str, *, expected: ExpectedVersion = Expected.ANY, erase: bool = False
    ) -> int:
        """End a stream, and erase its events if asked."""
        self._background.check_open()
        check_expected(stream, expected)
        position, outcome = await self._end("delete_stream", stream, expected, erase, uuid4())
        if position is None:
            raise refusal(stream, expected, None, outcome)
        if erase:
            self._tail.drop()
        self._tail.heard(position)
        return position

    async def truncate(self, stream: str, *, before: int, erase: bool = False) -> None:
        """Let a stream begin at the version `before`, and erase the earlier events if asked."""
        self._background.check_open()
        within = max(min(before, HIGHEST), 0)
        (outcome,) = await self._end("truncate_stream", stream, within, erase)
        if outcome < 0:
            raise StreamDeleted(stream)
        if not 0 < before <= outcome:
            raise WrongExpectedVersion(stream, before, outcome)
        if erase:
            self._tail.drop()

    async def link(
        self, stream: str, positions: Sequence[int], *, expected: ExpectedVersion = Expected.ANY
    ) -> Appended:
        """Let events appear in another stream too."""
        committer = self._background.committer
        check_link(stream, positions)
        found = await self._events.at_positions(positions)
        links = [new_link(stream, linkable(found.get(at), at)) for at in positions]
        return await committer.append(stream, links, expected, own=True)

    async def info(self, stream: str) -> StreamInfo:
        """A stream's version and age."""
        rows = await self._fetch("stream_info", stream) if is_name(stream) else ()
        if not rows:
            raise StreamNotFound(stream)
        *info, deleted = rows[0]
        if deleted is not None:
            raise StreamDeleted(stream)
        return StreamInfo._make(info)

    async def list(
        self, *, prefix: str = "", containing: str = "", after: str = "", limit: int = 100
    ) -> Sequence[StreamInfo]:
        """One page of the streams that can be read, ordered by the bytes of their names."""
        parts = (prefix, containing, after)
        if limit <= 0 or not all(is_name(part) for part in parts if part):
            return ()
        rows = await self._fetch(
            "streams",
            after,
            prefix,
            next_prefix(prefix),
            containing or None,
            min(limit, LARGEST_PAGE),
        )
        return [StreamInfo._make(row) for row in rows]

    async def _end(self, statement: str, stream: str, *values: object) -> Any:
        if not is_name(stream) or stream.startswith(OWN):
            raise StreamNotFound(stream)
        rows = await self._fetch(statement, stream, *values, self._keys_channel)
        *found, _notified = rows[0]
        if found[-1] == 0:
            raise StreamNotFound(stream)
        return found

    async def _fetch(self, statement: str, *values: object) -> Sequence[Any]:
        return await self._schema.fetch(self._statements[statement], *values)
