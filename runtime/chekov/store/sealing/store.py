"""A store behind which personal data is sealed: what goes in plain comes out plain, or forgotten.

Everything that gives events to the engine is here, so no reading path can miss it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, Self
from uuid import UUID

from chekov.domain.domain import Domain
from chekov.errors import StoreUnavailable
from chekov.store.port import (
    Appended,
    Direction,
    Expected,
    ExpectedVersion,
    NewEvent,
    RecordedEvent,
    Snapshot,
    Store,
    StreamAppend,
)
from chekov.store.sealing.contents import AnyContents
from chekov.store.sealing.events import Apart, EventSealing
from chekov.store.sealing.keyring import LIFE_SECONDS, Keyring
from chekov.store.sealing.master import MasterKeys
from chekov.store.sealing.snapshots import SnapshotSealing

_PROOF: Final = "$proof"
"""The subject of a key that proves at the start that the master key is the right one."""

_PAUSE_SECONDS: Final = 1.0
_PAGE: Final = 1000

_log: Final = logging.getLogger(__name__)


class SealedStore:
    """The store of a domain with personal fields.

    Args:
        store: keeps what is sealed, and the keys; entered and left with this one.
        domain: tells what is personal.
        master: wraps the keys.
        on_forgotten: called after somebody was forgotten, here or elsewhere, to drop what is
            held in plain.
    """

    def __init__(
        self,
        store: Store,
        domain: Domain,
        master: MasterKeys,
        on_forgotten: Callable[[], None],
    ) -> None:
        self._store = store
        self._keyring = Keyring(store, master)
        self._events = EventSealing(domain, AnyContents(domain.serializer))
        self._snapshots = SnapshotSealing(domain, self._keyring)
        self._on_forgotten = on_forgotten
        self._forgettings = 0
        self._stack = AsyncExitStack()
        # What holds no events passes straight through.
        self.link = store.link
        self.delete_stream = store.delete_stream
        self.truncate_stream = store.truncate_stream
        self.head = store.head
        self.stream_info = store.stream_info
        self.streams = store.streams
        self.ping = store.ping
        self.register = store.register
        self.claim = store.claim
        self.release = store.release
        self.freed = store.freed
        self.save = store.save
        self.transaction = store.transaction
        self.park = store.park
        self.parked = store.parked
        self.stop = store.stop
        self.resume = store.resume
        self.pause = store.pause
        self.subscriptions = store.subscriptions
        self.create_tables = store.create_tables
        self.schema_for = store.schema_for
        self.read_connection = store.read_connection
        self.forget_snapshot = store.forget_snapshot
        self.live_keys = store.live_keys
        self.offer_keys = store.offer_keys
        self.keys = store.keys
        self.forgotten = store.forgotten

    async def __aenter__(self) -> Self:
        """Open the store, and see that the keys can be used.

        Raises:
            KeyUnusable: the master key is not the one that wrapped them.
            StoreError: as the store itself raises.
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._store)
            await self._keyring.of_subjects({_PROOF})
            self._forgettings = await self._store.forgotten(0, 0)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            watching = group.create_task(self._watch(), name="forgotten keys")
            stack.callback(watching.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def append(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: ExpectedVersion = Expected.ANY,
        command_id: UUID | None = None,
    ) -> Appended:
        """Store all of `events`, sealed, at the end of `stream`, or none."""
        [append], [keys] = await self._sealed([StreamAppend(stream, events, expected)])
        appended = await self._store.append(
            stream, append.events, expected=append.expected, command_id=command_id
        )
        return self._stored(events, appended, keys)

    async def append_together(self, appends: Sequence[StreamAppend]) -> Sequence[Appended]:
        """Store appends to several streams, sealed: all of them or none."""
        sealed, keys = await self._sealed(appends)
        appended = await self._store.append_together(sealed)
        return [
            self._stored(append.events, item, ids)
            for append, item, ids in zip(appends, appended, keys, strict=True)
        ]

    async def read_stream(
        self, stream: str, *, direction: Direction = "forward", **page: Any
    ) -> Sequence[RecordedEvent]:
        """One page of a stream, opened."""
        sealed = await self._store.read_stream(stream, direction=direction, **page)
        opened, keys = await self._opened(sealed)
        if sealed and direction == "forward" and self._snapshots.concerns(stream):
            self._snapshots.saw(stream, sealed[0].version, sealed[-1].version, keys)
        return opened

    async def read_page(self, **page: Any) -> Sequence[RecordedEvent]:
        """One page of everything, opened."""
        opened, _ = await self._opened(await self._store.read_page(**page))
        return opened

    async def read_all(self, *, after: int = 0) -> AsyncIterator[RecordedEvent]:
        """Everything above a position, opened, up to the end."""
        while page := await self.read_page(after=after, limit=_PAGE):
            for event in page:
                yield event
            after = page[-1].position

    async def changed(self, position: int, wait_for: float) -> Sequence[RecordedEvent]:
        """Wait until there is something above `position`; what is at hand of it, opened."""
        opened, _ = await self._opened(await self._store.changed(position, wait_for))
        return opened

    async def snapshot(self, stream: str) -> Snapshot | None:
        """The snapshot of a stream, if there is one that can still be read."""
        snapshot = await self._store.snapshot(stream)
        if snapshot is None or not self._snapshots.concerns(stream):
            return snapshot
        opened = await self._snapshots.opened(snapshot)
        if opened is None and await self._snapshots.is_lost(snapshot):
            # It would stand in the way of another one of its version.
            await self._store.forget_snapshot(stream)
        return opened

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, sealed, unless somebody in it was forgotten meanwhile."""
        sealed: Snapshot | None = snapshot
        if self._snapshots.concerns(snapshot.stream):
            sealed = await self._snapshots.sealed(snapshot)
        if sealed is not None:
            await self._store.save_snapshot(sealed)

    async def forget_keys(self, subjects: Collection[str]) -> Collection[str]:
        """Take the keys of subjects away for good; nothing here shows them when this returns."""
        gone = await self._store.forget_keys(subjects)
        with suppress(StoreUnavailable):  # then it is heard of later, and dropped once more
            self._forgettings = await self._store.forgotten(0, 0)
        self._drop()
        return gone

    async def _sealed(
        self, appends: Sequence[StreamAppend]
    ) -> tuple[list[StreamAppend], list[set[UUID]]]:
        """Appends with their personal fields sealed, and the keys that each was sealed with."""
        subjects = [
            [self._events.subject(append.stream, event) for event in append.events]
            for append in appends
        ]
        wanted = {name for names in subjects for name in names if name is not None}
        if not wanted:
            return list(appends), [set() for _ in appends]
        sealers = await self._keyring.of_subjects(wanted)
        return [
            append._replace(
                events=[
                    event if name is None else self._events.sealed(event, sealers[name])
                    for event, name in zip(append.events, names, strict=True)
                ]
            )
            for append, names in zip(appends, subjects, strict=True)
        ], [{sealers[name].id for name in names if name is not None} for names in subjects]

    def _stored(self, events: Sequence[NewEvent], appended: Appended, keys: set[UUID]) -> Appended:
        if self._snapshots.concerns(appended.stream):
            first = appended.version - len(events) + 1
            self._snapshots.saw(appended.stream, first, appended.version, keys)
        if not keys:
            return appended
        recorded = [
            kept._replace(data=event.data)
            for kept, event in zip(appended.recorded, events, strict=True)
        ]
        return appended._replace(recorded=recorded)

    async def _opened(
        self, page: Sequence[RecordedEvent]
    ) -> tuple[Sequence[RecordedEvent], set[UUID]]:
        """A page with its sealed values opened, and the keys of those that are not forgotten."""
        apart: dict[int, Apart] = {}
        for index, event in enumerate(page):
            parts = self._events.apart(event)
            if parts is not None:
                apart[index] = parts
        if not apart:
            return page, set()
        ids = {value.key for parts in apart.values() for value in parts.values.values()}
        keys = await self._keyring.of_ids(ids)
        opened = list(page)
        for index, parts in apart.items():
            opened[index] = self._events.opened(parts, keys)
        return opened, {id_ for id_, sealer in keys.items() if sealer is not None}

    async def _watch(self) -> None:
        """Hear of those who are forgotten elsewhere."""
        while True:
            try:
                number = await self._store.forgotten(self._forgettings, LIFE_SECONDS)
                # What was forgotten here is dropped already.
                if number > self._forgettings:
                    self._forgettings = number
                    self._drop()
            except StoreUnavailable as error:
                _log.warning("forgotten keys cannot be watched", extra={"error": str(error)})
                await asyncio.sleep(_PAUSE_SECONDS)

    def _drop(self) -> None:
        """Hold nothing in plain any more that was read with keys which may be gone."""
        self._keyring.clear()
        self._on_forgotten()
        self._snapshots.clear()
