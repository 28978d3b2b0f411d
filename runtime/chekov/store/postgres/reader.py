"""Reading events. Payloads come as bytes: nothing is decoded that nobody looks at."""

from collections.abc import AsyncGenerator, Collection, Sequence
from typing import Any, Final

from chekov.errors import StreamNotFound
from chekov.store.checks import is_name
from chekov.store.port import Direction, RecordedEvent, StreamInfo
from chekov.store.postgres.connections import Database
from chekov.store.postgres.records import records
from chekov.store.postgres.statements import statements

_END: Final = 2**63 - 1
_LARGEST_PAGE: Final = 10_000


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
    ) -> Sequence[RecordedEvent]:
        """One page of a stream."""
        if limit <= 0 or not is_name(stream):
            return ()
        return await self._page(
            f"stream_{direction}", stream, _start(after, direction), min(limit, _LARGEST_PAGE)
        )

    async def read_page(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        types: Collection[str] | None = None,
        category: str | None = None,
    ) -> Sequence[RecordedEvent]:
        """One page of everything."""
        start = _start(after, direction)
        count = min(limit, _LARGEST_PAGE)
        if limit <= 0:
            return ()
        if types is None and category is None:
            return await self._page(f"all_{direction}", start, count)
        if category is not None and not is_name(category):
            return ()
        names = None if types is None else [name for name in types if is_name(name)]
        return await self._page(f"some_{direction}", start, count, names, category)

    async def read_all(self, *, after: int = 0) -> AsyncGenerator[RecordedEvent]:
        """Everything above a position, up to the end."""
        position = after
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
        return StreamInfo._make(rows[0])

    async def ping(self) -> None:
        """Prove that the store answers."""
        await self._read("head")

    async def _page(self, statement: str, *values: object) -> Sequence[RecordedEvent]:
        return records(await self._read(statement, *values))

    async def _read(self, statement: str, *values: object) -> Sequence[Any]:
        return await self._reading.fetch(self._reads[statement], *values)


def _start(after: int, direction: Direction) -> int:
    if direction == "backward" and after <= 0:
        return _END
    return max(min(after, _END), 0)
