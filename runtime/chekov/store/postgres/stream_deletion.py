"""Deleting and truncating streams."""

from typing import Any
from uuid import uuid4

from chekov.errors import StreamDeleted, StreamNotFound, WrongExpectedVersion
from chekov.store.port import Expected, ExpectedVersion
from chekov.store.postgres.append.batch import refusal
from chekov.store.postgres.connections import Database
from chekov.store.postgres.statements import statements
from chekov.store.validation import HIGHEST, OWN, check_expected, is_name


class StreamDeletion:
    """What takes events out of streams; rare, so each is a statement on a pooled connection."""

    def __init__(self, database: Database) -> None:
        self._ending = database
        self._ends = statements("events", database.schema)

    async def delete_stream(
        self, stream: str, *, expected: ExpectedVersion = Expected.ANY, erase: bool = False
    ) -> int:
        """End a stream, and erase it when asked to."""
        check_expected(stream, expected)
        position, outcome = await self._end("delete_stream", stream, expected, erase, uuid4())
        if position is None:
            raise refusal(stream, expected, None, outcome)
        return position

    async def truncate_stream(self, stream: str, *, before: int, erase: bool = False) -> None:
        """Let a stream begin at the version `before`."""
        within = max(min(before, HIGHEST), 0)
        (outcome,) = await self._end("truncate_stream", stream, within, erase)
        if outcome < 0:
            raise StreamDeleted(stream)
        if not 0 < before <= outcome:
            raise WrongExpectedVersion(stream, before, outcome)

    async def _end(self, statement: str, stream: str, *values: object) -> Any:
        if not is_name(stream) or stream.startswith(OWN):
            raise StreamNotFound(stream)
        rows = await self._ending.fetch(self._ends[statement], stream, *values)
        outcome = rows[0][-1]
        if outcome == 0:
            raise StreamNotFound(stream)
        return rows[0]
