"""A store that seals personal data: events go in and come out in plain, or forgotten."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Final, Self

from chekov.backoff import Backoff
from chekov.domain.domain import Domain
from chekov.errors import StoreError
from chekov.serialization.contents import AnyContents
from chekov.store.delegating import DelegatingEventStore
from chekov.store.port import Keys, RecordedEvent, Store
from chekov.store.sealing.event_sealing import EventSealing
from chekov.store.sealing.event_store import SealedEventStore
from chekov.store.sealing.keyring import LIFE_SECONDS, Keyring
from chekov.store.sealing.master import MasterKeys
from chekov.store.sealing.processes import SealedProcesses
from chekov.store.sealing.read_models import SealedReadModels
from chekov.store.sealing.schedules import SealedSchedules
from chekov.store.sealing.snapshot_sealing import SnapshotSealing
from chekov.store.sealing.snapshots import SealedSnapshots
from chekov.store.sealing.tag_index import SealedTagIndex
from chekov.store.sealing.tag_sealing import TagSealing
from chekov.store.tail import Tail

_PROOF: Final = "$proof"
"""The subject of a key that proves at the start that the master key is the right one."""

_log: Final = logging.getLogger(__name__)


class SealedStore(DelegatingEventStore):
    """The store of a domain with personal fields.

    It wraps the roles that hold content; the others are those of `store`.

    Args:
        store: keeps what is sealed, and the keys; entered and left with this one.
        domain: says what is personal.
        master: wraps the keys.
        on_forgotten: called after a subject was forgotten, here or elsewhere, to drop what is
            cached in plain.
    """

    def __init__(
        self,
        store: Store,
        domain: Domain,
        master: MasterKeys,
        on_forgotten: Callable[[], None],
    ) -> None:
        self._store = store
        self._keyring = Keyring(store.keys, master)
        self._sealing = SnapshotSealing(domain, self._keyring)
        self._on_forgotten = on_forgotten
        self._forgettings = 0
        self._stack = AsyncExitStack()
        events = SealedEventStore(
            store.events,
            EventSealing(domain, AnyContents(domain.serializer)),
            self._sealing,
            self._keyring,
            TagSealing(domain.personal_tags, self._keyring),
        )
        read_models = store.read_models
        self.events = events
        self.read_models = None if read_models is None else SealedReadModels(read_models, events)
        self.snapshots = SealedSnapshots(store.snapshots, self._sealing)
        self.processes = SealedProcesses(store.processes, self._keyring)
        self.schedules = SealedSchedules(store.schedules, self._keyring)
        self.tag_index = SealedTagIndex(store.tag_index, events)
        self.keys = _ForgettingKeys(store.keys, self._forgotten)
        self.tail = Tail(
            self._read,
            head=store.tail.head,
            drops=store.tail.drops,
            resets=store.tail.resets,
            others=store.tail.others,
            followers=store.tail.followers,
        )
        self.streams = store.streams
        self.subscriptions = store.subscriptions
        self.layouts = store.layouts
        self.nodes = store.nodes
        self.figures = store.figures
        self.ping = store.ping
        self.reporting_commits = store.reporting_commits
        self.wait = store.wait
        self._opened = events.opened

    async def __aenter__(self) -> Self:
        """Open the store, and check that the keys can be used.

        Raises:
            KeyUnusable: the master key is not the one that wrapped them.
            StoreError: as the store itself raises.
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._store)
            await self._keyring.of_subjects({_PROOF})
            self._forgettings = await self._store.keys.count_forgotten()
            group = await stack.enter_async_context(asyncio.TaskGroup())
            watching = group.create_task(self._watch(), name="forgotten keys")
            stack.callback(watching.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    @property
    def troubles(self) -> Sequence[str]:
        """What keeps background tasks from their work."""
        return self._store.troubles

    async def _read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """Events for the tail: each is opened once for all its readers."""
        page = await self._store.tail.after(after, limit)
        if page is None:
            page = await self._store.events.read_page(after=after, limit=limit)
        return await self._opened(page)

    async def _watch(self) -> None:
        """Notice subjects that other processes forget."""
        seen = 0
        backoff = Backoff(0.1, 5.0)
        while True:
            try:
                heard = await self.wait("keys", seen, LIFE_SECONDS)
                number = await self._store.keys.count_forgotten()
                # This process has dropped already what it forgot itself.
                if number > self._forgettings:
                    self._forgettings = number
                    self._drop()
                seen = heard
                backoff.reset()
            except StoreError as error:
                seen = -1
                _log.warning("forgotten keys cannot be watched", extra={"error": str(error)})
                await backoff.wait()

    async def _forgotten(self) -> None:
        with suppress(StoreError):  # then the watcher notices, and drops once more
            self._forgettings = await self._store.keys.count_forgotten()
        self._drop()

    def _drop(self) -> None:
        """Drop everything in plain, since its keys may have been deleted."""
        self._keyring.clear()
        self.tail.drop()
        self._on_forgotten()
        self._sealing.clear()


class _ForgettingKeys:
    """The role `keys`: nothing in this process shows forgotten data once `forget_keys` returns."""

    def __init__(self, keys: Keys, forgotten: Callable[[], Awaitable[None]]) -> None:
        self._keys = keys
        self._forgotten = forgotten
        self.live_keys = keys.live_keys
        self.offer_keys = keys.offer_keys
        self.keys = keys.keys
        self.count_forgotten = keys.count_forgotten

    async def forget_keys(self, subjects: Collection[str]) -> Collection[str]:
        """Delete the keys of subjects for good."""
        gone = await self._keys.forget_keys(subjects)
        await self._forgotten()
        return gone
