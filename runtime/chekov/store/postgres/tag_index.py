"""The role `tag_index` in Postgres."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from chekov.domain.scope import TAG_MARK, is_hashed
from chekov.serialization.json import from_json
from chekov.store.port import (
    Attended,
    MissingTags,
    SkippedEvent,
    TagFailure,
    TagKind,
    TagKindState,
)
from chekov.store.postgres.schema import Schema
from chekov.store.postgres.subscriptions import storable_text


class PostgresTagIndex:
    """A row per process that stores events, and a row per kind of tag."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._statements = schema.statements("tag_index")

    async def attend(
        self,
        writer: str,
        domain: str,
        writes: Mapping[str, Collection[str]],
        wanted: Collection[TagKind],
    ) -> Attended:
        """Be heard of, and look at kinds of tags."""
        tagged = [f"{kind}{TAG_MARK}{type_}" for type_, kinds in writes.items() for kind in kinds]
        [(withdrawn, head, found)] = await self._fetch(
            "attend", writer, domain, list(writes), tagged, *_columns(wanted)
        )
        kinds = [
            TagKindState(
                TagKind(each["type"], each["kind"]),
                each["position"],
                each["target"],
                tuple(each["without"]),
                owned=each["owned"],
                stopped=_failure(each["type"], each["stopped_at"], each["error"]),
                skipped=each["skipped"],
            )
            for each in from_json(found or "[]")
        ]
        return Attended(kinds, head, withdrawn)

    async def add(
        self,
        writer: str,
        kinds: Collection[TagKind],
        missing: Sequence[MissingTags],
        through: int,
        failed: Sequence[TagFailure] = (),
        *,
        after: int = 0,
    ) -> bool:
        """Write tags of stored events."""
        rows: list[tuple[str, int, str, UUID | None]] = [
            (tag, event.position, event.type, key if is_hashed(tag) else None)
            for event, tags, key in missing
            for tag in tags
        ]
        columns: tuple[Sequence[Any], ...] = tuple(zip(*rows, strict=True)) or ((),) * 4
        failures = (
            [each.position for each in failed],
            [each.type for each in failed],
            [storable_text(each.error) for each in failed],
        )
        [(added,)] = await self._fetch(
            "add", writer, *_columns(kinds), after, through, *columns, *failures
        )
        return added

    async def leave(self, writer: str) -> None:
        """Store no events any more."""
        await self._fetch("leave", writer)

    async def kinds(self) -> Sequence[TagKindState]:
        """Every kind that a process wanted."""
        return [
            TagKindState(
                TagKind(type_, kind),
                position,
                target,
                stopped=_failure(type_, stopped_at, error),
                skipped=skipped,
            )
            for type_, kind, position, target, stopped_at, error, skipped in await self._fetch(
                "kinds"
            )
        ]

    async def skip(self, position: int, reason: str) -> SkippedEvent | None:
        """Let decisions overlook the event at which kinds of tags have stopped."""
        [(type_,)] = await self._fetch("skip", position, storable_text(reason))
        if type_ is None:
            return None
        return next(each for each in await self.skipped() if each.position == position)

    async def unskip(self, position: int) -> bool:
        """Make the tags of an event that was skipped after all."""
        [(type_,)] = await self._fetch("unskip", position)
        return type_ is not None

    async def skipped(self) -> Sequence[SkippedEvent]:
        """All events that are skipped, by position."""
        return [SkippedEvent._make(row) for row in await self._fetch("skipped")]

    async def _fetch(self, statement: str, *values: object) -> Sequence[Any]:
        return await self._schema.fetch(self._statements[statement], *values)


def _failure(type_: str, position: int | None, error: str | None) -> TagFailure | None:
    return None if position is None else TagFailure(position, type_, error or "")


def _columns(kinds: Collection[TagKind]) -> tuple[list[str], list[str]]:
    return [each.type for each in kinds], [each.kind for each in kinds]
