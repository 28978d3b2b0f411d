"""The newest events of the log, cached once per process for all that follow it live."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple, Protocol, TypeAlias

from chekov.backoff import Backoff
from chekov.store.page_size import MOST_EVENTS, PageSize, size_of
from chekov.store.port.event_store import RecordedEvent
from chekov.watermark import Watermark

REACH: Final = MOST_EVENTS
"""How far below the head a reader may be and still be served; below that, it reads pages."""

_KEEP_EVENTS: Final = 4096
_KEEP_BYTES: Final = 16 * 1024 * 1024

Read: TypeAlias = Callable[[int, int], Awaitable[Sequence[RecordedEvent]]]
"""Reads the events right above a position, at most as many as the second argument says."""


class Follower(Protocol):
    """Follows the log by what is pushed and learned, before anybody asks for it.

    Its methods must neither block nor raise.
    """

    @property
    def position(self) -> int | None:
        """How far it has followed the log; `None` while it needs nothing of it."""
        ...

    def pushed(self, recorded: Sequence[RecordedEvent]) -> None:
        """Called with what this process stored, as it is stored: personal data is sealed."""
        ...

    def learned(self, recorded: Sequence[RecordedEvent]) -> None:
        """Called likewise with what others stored."""
        ...


class _Reading(NamedTuple):
    """A read under way that other readers wait for."""

    position: int
    page: asyncio.Future[Sequence[RecordedEvent]]


class Tail:
    """A run of events without gaps up to the newest one that is cached.

    This process's own commits are pushed. What other processes commit is heard of, and read when
    somebody asks for it: one read at a time serves all readers.

    Attributes:
        head: the newest position known; once the store is open, not below what it was then.
        drops: counts the moments from which on no cached event may be shown: content was erased,
            somebody was forgotten, or notifications of either may have been missed.
        resets: counts the moments from which on the log is another one: the store was opened, or
            was restored to an earlier state.
        others: the newest position that is known without having been pushed.
        followers: who follows the log.
        is_plain: whether readers get the events as they are stored.

    Args:
        read: reads from the store.
        head: shared with a tail of the same log that holds its events in another form.
        drops: likewise.
        resets: likewise.
        others: likewise.
        followers: likewise; then what is read here is not what is stored.
    """

    def __init__(
        self,
        read: Read,
        *,
        head: Watermark | None = None,
        drops: Watermark | None = None,
        resets: Watermark | None = None,
        others: Watermark | None = None,
        followers: list[Follower] | None = None,
    ) -> None:
        self.head = head or Watermark()
        self.drops = drops or Watermark()
        self.resets = resets or Watermark()
        self.others = others or Watermark()
        self.followers: list[Follower] = [] if followers is None else followers
        self.is_plain = followers is None
        self._read = read
        self._size = PageSize()
        self._backoff = Backoff()
        self._events: list[RecordedEvent] = []
        self._bytes = 0
        self._seen_drops = self.drops.value
        self._reading: _Reading | None = None

    @property
    def newest(self) -> RecordedEvent | None:
        """The newest event that is cached."""
        return self._events[-1] if self._events else None

    def push(self, recorded: Sequence[RecordedEvent], drops: int | None = None) -> None:
        """Add what this process committed, contiguous and in order.

        Args:
            recorded: the events.
            drops: how many drops there had been before they were sent, if that took time: what was
                erased since is not cached.
        """
        if drops is None or drops == self.drops.value:
            self._keep(recorded)
        before = recorded[0].position - 1
        if before > self.head.value:
            self.others.advance(before)
        for follower in self.followers:
            follower.pushed(recorded)
        self.head.advance(recorded[-1].position)

    def learn(self, recorded: Sequence[RecordedEvent], drops: int | None = None) -> None:
        """Add what other processes committed, contiguous and in order.

        Args:
            recorded: the events.
            drops: how many drops there had been before they were asked for, if that took time: what
                was erased since is neither cached nor given to followers.
        """
        if drops is None or drops == self.drops.value:
            self._keep(recorded)
            for follower in self.followers:
                follower.learned(recorded)
        self.heard(recorded[-1].position)

    @property
    def followed(self) -> int | None:
        """How far all followers have followed the log; `None` if none needs anything of it."""
        positions = [item for follower in self.followers if (item := follower.position) is not None]
        return min(positions, default=None)

    @contextmanager
    def followed_by(self, follower: Follower) -> Generator[None]:
        """Let somebody follow the log within the block."""
        self.followers.append(follower)
        try:
            yield
        finally:
            self.followers.remove(follower)

    def heard(self, position: int) -> None:
        """Note that the log reaches up to `position`."""
        if position > self.head.value:
            self.others.advance(position)
        self.head.advance(position)

    def reset(self, head: int) -> None:
        """Start anew: the store is opened or was restored, and its log may be another one."""
        self.head.value = self.others.value = head
        self.drop()
        self.others.wake_all()
        self.resets.bump()

    def drop(self) -> None:
        """Discard every cached event, here and in what shares `drops`."""
        self.drops.bump()
        self._clear_dropped()

    def cached(self, position: int, limit: int = MOST_EVENTS) -> Sequence[RecordedEvent] | None:
        """Return events right above `position`; none at the head; `None` if they are not cached."""
        if position >= self.head.value:
            return ()
        self._clear_dropped()
        events = self._events
        if not events or not events[0].position <= position + 1 <= events[-1].position:
            return None
        start = position + 1 - events[0].position
        return events[start : start + limit]

    async def after(
        self, position: int, limit: int = MOST_EVENTS
    ) -> Sequence[RecordedEvent] | None:
        """Return events right above `position`, read if need be; none at the head.

        Returns:
            `None` for a position too far below the head: read pages of the log instead.

        Raises:
            StoreUnavailable: the database is away.
        """
        while (events := self.cached(position, limit)) is None:
            if position < self.head.value - REACH:
                return None
            reading = self._reading
            if reading is None:
                return await self._extend(position)
            await asyncio.wait([reading.page])
            if reading.position == position and not reading.page.cancelled():
                return reading.page.result()
        return events

    async def _extend(self, position: int) -> Sequence[RecordedEvent]:
        future = asyncio.get_running_loop().create_future()
        self._reading = _Reading(position, future)
        try:
            page = await self._read_undropped(position)
            future.set_result(page)
        finally:
            future.cancel()
            self._reading = None
        if page:
            self._backoff.reset()
        else:
            # Heard of, and not there: after a fail-over, perhaps. Do not ask in a tight loop.
            await self._backoff.wait()
        return page

    async def _read_undropped(self, position: int) -> Sequence[RecordedEvent]:
        """Read a page, again if it may show what was dropped meanwhile."""
        while True:
            drops = self.drops.value
            limit = self._size.limit
            page = await self._read(position, limit)
            if drops == self.drops.value:
                self._size.learn(page, limit)
                if page:
                    self._keep(page)
                    self.head.advance(page[-1].position)
                return page

    def _keep(self, recorded: Sequence[RecordedEvent]) -> None:
        """Add to the run what joins it, or start a new run with what lies beyond it."""
        self._clear_dropped()
        first, last = recorded[0].position, recorded[-1].position
        if last - first + 1 != len(recorded):
            return
        run = self._events
        if not run or first > run[-1].position + 1:
            self._events, self._bytes = list(recorded), size_of(recorded)
        elif last >= run[0].position - 1:
            older = recorded[: max(0, run[0].position - first)]
            newer = recorded[max(0, run[-1].position + 1 - first) :]
            run[:0] = older
            run += newer
            self._bytes += size_of(older) + size_of(newer)
        if len(self._events) > 2 * _KEEP_EVENTS or self._bytes > 2 * _KEEP_BYTES:
            self._trim()

    def _trim(self) -> None:
        """Make room, but keep the newest event: the next one must be seen to join it."""
        del self._events[:-_KEEP_EVENTS]
        self._bytes = size_of(self._events)
        while self._bytes > _KEEP_BYTES and len(self._events) > 1:
            del self._events[: (len(self._events) + 1) // 2]
            self._bytes = size_of(self._events)

    def _clear_dropped(self) -> None:
        if self._seen_drops != self.drops.value:
            self._seen_drops = self.drops.value
            self._events = []
            self._bytes = 0
