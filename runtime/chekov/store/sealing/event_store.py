"""The role `events` of a sealing store: everything that gives events to the engine is here."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chekov.domain.event_filter import EVERYTHING, EventFilter
from chekov.domain.scope import Scope
from chekov.store.port import (
    Appended,
    Direction,
    EventStore,
    Expected,
    ExpectedVersion,
    Found,
    MissingTags,
    NewEvent,
    NoneSince,
    RecordedEvent,
    StreamAppend,
)
from chekov.store.sealing.event_sealing import Apart, EventSealing
from chekov.store.sealing.keyring import Keyring
from chekov.store.sealing.snapshot_sealing import SnapshotSealing
from chekov.store.sealing.tag_sealing import TagSealing

_PAGE = 1000


class SealedEventStore:
    """Seals the personal fields of appended events, and opens those of events it returns.

    Args:
        events: stores the sealed events.
        sealing: seals and opens one event.
        snapshots: takes note of the keys in each stream.
        keyring: gives the keys.
        tags: hashes the tags that are personal.
    """

    def __init__(
        self,
        events: EventStore,
        sealing: EventSealing,
        snapshots: SnapshotSealing,
        keyring: Keyring,
        tags: TagSealing,
    ) -> None:
        self._tags = tags
        self.condition = tags.condition
        self._events = events
        self._sealing = sealing
        self._snapshots = snapshots
        self._keyring = keyring
        self.head = events.head
        self.types = events.types

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: ExpectedVersion = Expected.ANY,
        command_id: UUID | None = None,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> Appended:
        """Store all of `events`, sealed, at the end of `stream`, or none."""
        [append], [keys] = await self.sealed([StreamAppend(stream, events, expected)])
        appended = await self._events.append(
            stream,
            append.events,
            expected=append.expected,
            command_id=command_id,
            condition=await self._tags.condition(condition),
            unchanged=unchanged,
        )
        self._saw(appended, keys)
        return restored(events, appended) if keys else appended

    async def append_together(
        self,
        appends: Sequence[StreamAppend],
        *,
        condition: NoneSince | None = None,
        unchanged: Mapping[str, int] | None = None,
    ) -> Sequence[Appended]:
        """Store appends to several streams, sealed: all of them or none."""
        sealed, keys = await self.sealed(appends)
        appended = await self._events.append_together(
            sealed, condition=await self._tags.condition(condition), unchanged=unchanged
        )
        for item, ids in zip(appended, keys, strict=True):
            self._saw(item, ids)
        return [
            restored(append.events, item) if ids else item
            for append, item, ids in zip(appends, appended, keys, strict=True)
        ]

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        until: int | datetime | None = None,
    ) -> Sequence[RecordedEvent]:
        """One page of a stream, opened."""
        page = await self._events.read_stream(
            stream, after=after, limit=limit, direction=direction, until=until
        )
        opened, keys = await self._opened(page)
        if page and direction == "forward" and self._snapshots.concerns(stream):
            self._snapshots.saw(stream, page[0].version, page[-1].version, keys)
        return opened

    async def read_page(
        self,
        *,
        after: int = 0,
        limit: int = 1000,
        direction: Direction = "forward",
        filter: EventFilter = EVERYTHING,
    ) -> Sequence[RecordedEvent]:
        """One page of the log, opened."""
        page = await self._events.read_page(
            after=after, limit=limit, direction=direction, filter=filter
        )
        return await self.opened(page)

    async def read_scope(
        self, scope: Scope, *, after: int = 0, anchor: UUID | None = None, limit: int = 1000
    ) -> Found:
        """The next events in a scope, opened."""
        scope = await self._tags.scope(scope)
        found = await self._events.read_scope(scope, after=after, anchor=anchor, limit=limit)
        return found._replace(events=await self.opened(found.events))

    async def read_all(self, *, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """Every event above a position, opened, up to the end of the log."""
        while page := await self.read_page(after=after, limit=_PAGE):
            for event in page:
                yield event
            after = page[-1].position

    async def opened(self, page: Sequence[RecordedEvent]) -> Sequence[RecordedEvent]:
        """A page with its sealed values opened."""
        opened, _ = await self._opened(page)
        return opened

    async def sealed(
        self, appends: Sequence[StreamAppend]
    ) -> tuple[list[StreamAppend], list[set[UUID]]]:
        """Appends with their personal fields sealed, and the ids of the keys used in each."""
        subjects = [
            [self._sealing.subject(append.stream, event) for event in append.events]
            for append in appends
        ]
        wanted = {name for names in subjects for name in names if name is not None}
        if not wanted:
            return list(appends), [set() for _ in appends]
        sealers = await self._keyring.of_subjects(wanted)
        return [
            append._replace(
                events=[
                    event
                    if name is None
                    else await self._tags.hashed(
                        self._sealing.sealed(event, sealers[name]), sealers[name].id
                    )
                    for event, name in zip(append.events, names, strict=True)
                ]
            )
            for append, names in zip(appends, subjects, strict=True)
        ], [{sealers[name].id for name in names if name is not None} for names in subjects]

    async def with_hashed_tags(self, missing: Sequence[MissingTags]) -> Sequence[MissingTags]:
        """Tags of stored events, hashed where they are personal, with the keys they go with."""
        concerned = [each for each in missing if self._tags.concerns(each.tags)]
        if not concerned:
            return missing
        keys = await self._keys_of([each.event for each in concerned])
        return [
            MissingTags(event, await self._tags.hashes(tags), keys.get(event.position))
            for event, tags, _ in missing
        ]

    async def _keys_of(self, events: Sequence[RecordedEvent]) -> Mapping[int, UUID]:
        """Position → the key of the personal data in an event, read as it is stored."""
        types = frozenset(event.type for event in events)
        after, last = events[0].position - 1, events[-1].position
        keys: dict[int, UUID] = {}
        while after < last:
            page = await self._events.read_page(after=after, filter=EventFilter(types=types))
            if not page:
                break
            for event in page:
                apart = self._sealing.apart(event)
                if apart is not None:
                    keys[event.position] = next(iter(apart.values.values())).key
            after = page[-1].position
        return keys

    def _saw(self, appended: Appended, keys: set[UUID]) -> None:
        if self._snapshots.concerns(appended.stream):
            first = appended.version - len(appended.recorded) + 1
            self._snapshots.saw(appended.stream, first, appended.version, keys)

    async def _opened(
        self, page: Sequence[RecordedEvent]
    ) -> tuple[Sequence[RecordedEvent], set[UUID]]:
        """A page with its sealed values opened, and the ids of the keys that were not deleted."""
        apart: dict[int, Apart] = {}
        for index, event in enumerate(page):
            parts = self._sealing.apart(event)
            if parts is not None:
                apart[index] = parts
        if not apart:
            return page, set()
        ids = {value.key for parts in apart.values() for value in parts.values.values()}
        keys = await self._keyring.of_ids(ids)
        opened = list(page)
        for index, parts in apart.items():
            opened[index] = self._sealing.opened(parts, keys)
        return opened, {id_ for id_, sealer in keys.items() if sealer is not None}


def restored(events: Sequence[NewEvent], appended: Appended) -> Appended:
    """What an append returned, with the content that its caller passed in place of the sealed."""
    recorded = [
        stored._replace(data=event.data)
        for stored, event in zip(appended.recorded, events, strict=True)
    ]
    return appended._replace(recorded=recorded)
