"""Events for programs, decoded: those that are stored, and new ones as they are stored."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, overload

from chekov.backoff import Backoff
from chekov.domain.context import Delivered, Sender
from chekov.domain.domain import Domain
from chekov.domain.event_filter import EVERYTHING, EventFilter
from chekov.domain.messages import Event
from chekov.engine.subscriptions.handler_routes import part_of
from chekov.engine.subscriptions.invocation import context_of
from chekov.engine.subscriptions.page_cache import PageCache
from chekov.engine.subscriptions.page_reader import PageReader
from chekov.engine.subscriptions.sender import RefusingSender
from chekov.engine.subscriptions.wanted_names import WantedNames
from chekov.errors import CheckpointAhead, InvalidArgument, StoreClosed, StoreError
from chekov.serialization.codec import Codec
from chekov.store.filtered_log import FilteredLog
from chekov.store.page_size import PageSize
from chekov.store.port import Direction, Found, RecordedEvent, Store

E = TypeVar("E", bound=Event)

_IDLE_SECONDS: Final = 1.0

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Decodes events of some types.

    Attributes:
        kinds: the types, of those of the domain.
    """

    kinds: frozenset[type[Event]]
    names: WantedNames
    codec: Codec
    sender: Sender

    def decoded(self, recorded: RecordedEvent, *, replay_until: int) -> Sequence[Delivered[Event]]:
        """What a stored event becomes: mostly one, none if it is not wanted.

        Raises:
            Undecodable: it is wanted and cannot be read.
        """
        if not self.names.wants(recorded.type):
            return ()
        replaying = recorded.position <= replay_until
        context = context_of(recorded, self.sender, attempt=1, replaying=replaying)
        return [
            Delivered(event, part_of(context, number))
            for number, event in enumerate(self.codec.decode_all(recorded))
            if type(event) in self.kinds
        ]


class EventReader:
    """Reads the events of a domain in programs: `events` and `subscribe`.

    Each item has the event and its `Context`, as `Delivered`. Only events of the domain are read;
    those of other domains in the store are passed over. Memory is bounded: one page of events
    is held, 4 MiB about, and a program that takes its time has later ones read when it gets there.

    Attributes:
        store: what it reads.
        ended: whether iterators of `subscribe` end.
    """

    def __init__(self, domain: Domain, store: Store, codec: Codec) -> None:
        self.store = store
        self._codec = codec
        self._sender = RefusingSender(
            domain,
            "a program that reads events",
            "use `runtime.dispatch(…, causation_id=context.id)`",
        )
        self._pages: PageCache | None = None
        self.ended = False

    def begin(self, pages: PageCache) -> None:
        """The store is open; `pages` are shared with subscriptions that catch up."""
        self._pages = pages

    def end(self) -> None:
        """Let every iterator of `subscribe` end."""
        self.ended = True
        self.store.tail.head.wake_all()

    @overload
    def events(
        self,
        *,
        stream: str | None = None,
        filter: EventFilter = EVERYTHING,
        after: int = 0,
        backwards: bool = False,
    ) -> AsyncGenerator[Delivered[Event]]: ...
    @overload
    def events(
        self,
        type_: type[E],
        /,
        *types: type[E],
        stream: str | None = None,
        filter: EventFilter = EVERYTHING,
        after: int = 0,
        backwards: bool = False,
    ) -> AsyncGenerator[Delivered[E]]: ...
    def events(
        self,
        *types: type[Event],
        stream: str | None = None,
        filter: EventFilter = EVERYTHING,
        after: int = 0,
        backwards: bool = False,
    ) -> AsyncGenerator[Delivered[Any]]:
        """The stored events, from the first to the last, or backwards.

        Args:
            types: only events of these types, or derived from them; all of the domain by default.
            stream: only this stream, by version; links appear as the events that they lead to.
            filter: only events that match, such as `EventFilter(category="account")`.
            after: begin after this position, or version of the stream; backwards, before it.
            backwards: from the last to the first.

        Raises:
            InvalidArgument: an argument has a wrong type, or the domain has no events of a type.
            Undecodable: an event cannot be read.
            StoreUnavailable: the database does not answer.
        """
        wanted = self._wanted(types, after, filter)
        direction: Direction = "backward" if backwards else "forward"
        return self._read(wanted, stream, filter, after, direction)

    @overload
    def subscribe(
        self, *, filter: EventFilter = EVERYTHING, after: int = 0
    ) -> AsyncGenerator[Delivered[Event]]: ...
    @overload
    def subscribe(
        self, type_: type[E], /, *types: type[E], filter: EventFilter = EVERYTHING, after: int = 0
    ) -> AsyncGenerator[Delivered[E]]: ...
    def subscribe(
        self, *types: type[Event], filter: EventFilter = EVERYTHING, after: int = 0
    ) -> AsyncGenerator[Delivered[Any]]:
        """The events after a position, then new ones as they are stored: in order, once each.

        It has no checkpoint: the program keeps `context.position`, and goes on after it next time.
        While the database is away it waits. It ends when the runtime drains, and with its task.
        `context.replaying` is true for what was stored before it began.

        Args:
            types: only events of these types, or derived from them; all of the domain by default.
            filter: only events that match.
            after: the position of the last event that is not wanted any more; for new events only,
                `await runtime.store.head()`.

        Raises:
            InvalidArgument: an argument has a wrong type, or the domain has no events of a type.
            Undecodable: an event cannot be read.
            CheckpointAhead: the log ends before `after`, or was restored to an earlier state.
            StoreClosed: the runtime is not running.
        """
        return self._follow(self._wanted(types, after, filter), filter, after)

    def _wanted(self, types: tuple[type[Event], ...], after: object, filter: object) -> _Wanted:
        if not isinstance(after, int) or isinstance(after, bool) or after < 0:
            raise InvalidArgument(f"after={after!r:.60}: expected a position, 0 or more")
        if not isinstance(filter, EventFilter):
            raise InvalidArgument(f"filter={filter!r:.60}: expected an EventFilter")
        found = self._codec.event_types_like(types)
        return _Wanted(found, WantedNames(found, self._codec), self._codec, self._sender)

    async def _read(
        self,
        wanted: _Wanted,
        stream: str | None,
        filter: EventFilter,
        after: int,
        direction: Direction,
    ) -> AsyncGenerator[Delivered[Any]]:
        replay_until = self.store.tail.head.value
        size = PageSize()
        while True:
            limit = size.limit
            if stream is None:
                page = await self.store.read_page(
                    after=after, limit=limit, direction=direction, filter=filter
                )
            else:
                page = await self.store.read_stream(
                    stream, after=after, limit=limit, direction=direction
                )
            size.learn(page, limit)
            for recorded in page:
                if stream is None or filter.matches(recorded):
                    found = wanted.decoded(recorded, replay_until=replay_until)
                    for item in found if direction == "forward" else reversed(found):
                        yield item
            if len(page) < limit:
                return
            after = page[-1].position if stream is None else page[-1].version

    async def _follow(
        self, wanted: _Wanted, filter: EventFilter, position: int
    ) -> AsyncGenerator[Delivered[Any]]:
        if self._pages is None:
            raise StoreClosed("the runtime is not running: use `async with Runtime(…)`")
        replay_until = self.store.tail.head.value
        following = _Following(self, PageReader(self._pages, self.store.tail), filter)
        try:
            while (found := await following.after(position)) is not None:
                for recorded in found.events:
                    if following.outdated:
                        break
                    for item in wanted.decoded(recorded, replay_until=replay_until):
                        yield item
                    position = recorded.position
                else:
                    position = found.through
        finally:
            following.close()


class _Following:
    """The log, read on for one program: what all read together, unless it wants little of it."""

    def __init__(self, reader: EventReader, log: PageReader, filter: EventFilter) -> None:
        self._reader = reader
        self._store = reader.store
        self._log = log
        self._filtered = None if filter.is_open else FilteredLog(self._store, filter)
        self._backoff = Backoff()
        self._drops = self._resets = -1

    @property
    def outdated(self) -> bool:
        """Whether what was read last may not be shown: it was erased, or it is time to end."""
        return self._reader.ended or self._drops != self._store.tail.drops.value

    async def after(self, position: int) -> Found | None:
        """The next events, once there are some or a part of the log is passed; `None` at the end.

        Raises:
            CheckpointAhead: the log ends before the position.
        """
        while not self._reader.ended:
            self._drops = self._store.tail.drops.value
            try:
                await self._check_within_log(position)
                found = await self._read(position)
                if found.through > position:
                    self._backoff.reset()
                    return found
                await self._store.wait("events", position, _IDLE_SECONDS)
            except StoreClosed:
                return None
            except CheckpointAhead:
                raise
            except StoreError as error:
                seconds = self._backoff.next()
                _log.warning(
                    "events cannot be read", extra={"error": str(error), "wait": round(seconds, 2)}
                )
                await asyncio.sleep(seconds)
        return None

    def close(self) -> None:
        """Let go of what was read ahead."""
        self._log.close()

    async def _read(self, position: int) -> Found:
        if self._filtered is not None:
            return await self._filtered.after(position)
        events = await self._log.after(position)
        return Found(events, events[-1].position if events else position)

    async def _check_within_log(self, position: int) -> None:
        """At first, and whenever the log became another one."""
        tail = self._store.tail
        if self._resets == tail.resets.value:
            return
        resets = tail.resets.value
        if position > tail.head.value and position > (head := await self._store.head()):
            raise CheckpointAhead(
                f"the program has read up to position {position}, and the log ends at {head}: it "
                "is another log, or was restored to an earlier state"
            )
        self._resets = resets
