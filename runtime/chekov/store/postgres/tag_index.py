"""The role `tag_index` in Postgres."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from chekov.domain.scope import TAG_MARK, is_hashed
from chekov.serialization.json import from_json
from chekov.store.port import Attended, MissingTags, TagKind, TagKindState
from chekov.store.postgres.schema import Schema


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
            )
            for each in from_json(found or "[]")
        ]
        return Attended(kinds, head, withdrawn)

    async def add(
        self, writer: str, kinds: Collection[TagKind], missing: Sequence[MissingTags], through: int
    ) -> bool:
        """Write tags of stored events."""
        rows: list[tuple[str, int, str, UUID | None]] = [
            (tag, event.position, event.type, key if is_hashed(tag) else None)
            for event, tags, key in missing
            for tag in tags
        ]
        columns: tuple[Sequence[Any], ...] = tuple(zip(*rows, strict=True)) or ((),) * 4
        [(added,)] = await self._fetch("add", writer, *_columns(kinds), through, *columns)
        return added

    async def leave(self, writer: str) -> None:
        """Store no events any more."""
        await self._fetch("leave", writer)

    async def kinds(self) -> Sequence[TagKindState]:
        """Every kind that a process wanted."""
        return [
            TagKindState(TagKind(type_, kind), position, target)
            for type_, kind, position, target in await self._fetch("kinds")
        ]

    async def _fetch(self, statement: str, *values: object) -> Sequence[Any]:
        return await self._schema.fetch(self._statements[statement], *values)


def _columns(kinds: Collection[TagKind]) -> tuple[list[str], list[str]]:
    return [each.type for each in kinds], [each.kind for each in kinds]
