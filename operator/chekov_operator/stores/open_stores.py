"""Stores that stay open for a while after they were used.

A thousand subscriptions that are paused at once, or a Replay that is looked at every few seconds,
share the few connections of one open store. Another DSN, as after the rotation of a password, is
another store; the one of the old DSN is closed like any other that nobody uses.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, NamedTuple, TypeAlias

from chekov.errors import StoreUnavailable
from chekov.store.port import Store as StorePort
from chekov_operator.api.event_store import Store

IDLE_SECONDS: Final = 30.0

MakeStore: TypeAlias = Callable[[str, Store], StorePort]

_log = logging.getLogger(__name__)


class _Place(NamedTuple):
    dsn: str
    schema: str
    pooled: bool


class OpenStores:
    """Opens each store once for all who use it, and closes it once nobody has for a while.

    Args:
        make: makes a store from its DSN.
        group: runs what keeps the stores open.
        idle: seconds without use after which a store is closed.
    """

    def __init__(
        self, make: MakeStore, group: asyncio.TaskGroup, *, idle: float = IDLE_SECONDS
    ) -> None:
        self._make = make
        self._group = group
        self._idle = idle
        self._open: dict[_Place, _OpenStore] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def using(self, dsn: str, store: Store) -> AsyncGenerator[StorePort]:
        """The store, open.

        Raises:
            StoreError: the database is away, or refuses: to all who wait for it at that time.
        """
        place = _Place(dsn, store.schema, store.pooled)
        found = self._open.get(place) or self._opening(place, store)
        with found.used():
            try:
                yield await asyncio.shield(found.opened)
            except StoreUnavailable:
                # The next one opens it anew, which also finds out whether it is back.
                found.drop()
                raise

    def close(self) -> None:
        """Close all stores, also those that are used."""
        for task in self._tasks:
            task.cancel()

    def _opening(self, place: _Place, store: Store) -> "_OpenStore":
        def forget() -> None:
            if self._open.get(place) is made:
                del self._open[place]

        made = _OpenStore(self._make(place.dsn, store), forget, idle=self._idle)
        self._open[place] = made
        task = self._group.create_task(made.run(), name="open store")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return made


class _OpenStore:
    """One store, which one task opens and closes.

    Args:
        store: the store.
        forget: has nobody else use it.
        idle: seconds without use after which it is closed.

    Attributes:
        opened: the store once it is open, or why it is not.
    """

    def __init__(self, store: StorePort, forget: Callable[[], None], *, idle: float) -> None:
        self.opened: asyncio.Future[StorePort] = asyncio.get_running_loop().create_future()
        self._store = store
        self._forget = forget
        self._idle = idle
        self._users = 0
        self._is_dropped = False
        self._timer: asyncio.TimerHandle | None = None
        self._unneeded = asyncio.Event()

    async def run(self) -> None:
        """Keep it open for as long as it is needed."""
        try:
            async with self._store as store:
                self.opened.set_result(store)
                await self._unneeded.wait()
        except Exception as error:  # noqa: BLE001 -- for those who wait for it
            self._forget()
            if self.opened.done():
                _log.warning("a store was not closed as it should", extra={"error": str(error)})
                return
            self.opened.set_exception(error)
            # Retrieved, since perhaps nobody waits any more.
            self.opened.exception()

    @contextmanager
    def used(self) -> Generator[None]:
        """Keep it open during the block, and for a while after that."""
        self._users += 1
        if self._timer is not None:
            self._timer.cancel()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users and self._is_dropped:
                self._unneeded.set()
            elif not self._users:
                self._timer = asyncio.get_running_loop().call_later(self._idle, self.drop)

    def drop(self) -> None:
        """Close it once nobody uses it."""
        self._forget()
        self._is_dropped = True
        if not self._users:
            self._unneeded.set()
