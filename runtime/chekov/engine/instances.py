"""Live aggregates: one command at a time each, their state kept between commands."""

import asyncio
import copy
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chekov.domain.aggregate import Aggregate
from chekov.domain.messages import Event
from chekov.engine.observer import Observer
from chekov.errors import StreamNotFound
from chekov.store.codec import Codec
from chekov.store.port import EventStore

A = TypeVar("A", bound=Aggregate)

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Loaded(Generic[A]):
    """A copy of an instance's state, and the version it is at."""

    stream: str
    version: int
    state: A


class Instance:
    """The state of one stream as this process last knew it; guarded by its lock."""

    __slots__ = ("aggregate", "lock", "state", "stream", "version")

    def __init__(self, aggregate: type[Aggregate], stream: str) -> None:
        self.aggregate = aggregate
        self.stream = stream
        self.lock = asyncio.Lock()
        self.state: Aggregate | None = None
        self.version = 0

    def forget(self) -> None:
        """Drop a state that may no longer be what is stored."""
        self.state = None
        self.version = 0

    def apply(self, events: Iterable[Event]) -> None:
        """Change the state by events; the version is the caller's."""
        state = self.state
        appliers = self.aggregate.appliers
        for event in events:
            appliers[type(event)].function(state, event)


class Instances:
    """The instances of a process, the least recently used ones forgotten beyond `capacity`."""

    def __init__(
        self, store: EventStore, codec: Codec, observer: Observer, *, capacity: int = 10_000
    ) -> None:
        self._store = store
        self._codec = codec
        self._observer = observer
        self._capacity = capacity
        self._live: OrderedDict[str, Instance] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live)

    def get(self, aggregate: type[Aggregate], stream: str) -> Instance:
        """The instance of a stream, not necessarily loaded."""
        live = self._live
        instance = live.get(stream)
        if instance is not None:
            live.move_to_end(stream)
            return instance
        instance = live[stream] = Instance(aggregate, stream)
        if len(live) > self._capacity:
            self._evict()
        return instance

    async def refresh(self, instance: Instance) -> bool:
        """Bring the state up to what is stored; whether anything was new. The lock is held.

        Raises:
            Undecodable: an event of the stream cannot be read.
        """
        started = time.perf_counter()
        rebuilt = instance.state is None
        if instance.state is None:
            instance.state = instance.aggregate()
        count = 0
        try:
            while page := await self._store.read_stream(
                instance.stream, after=instance.version, limit=PAGE
            ):
                instance.apply(self._codec.decode_page(page))
                instance.version = page[-1].version
                count += len(page)
                if len(page) < PAGE:
                    break
        except BaseException:
            instance.forget()
            raise
        if rebuilt and count:
            name = instance.aggregate.identity
            self._observer.loaded(name, count, time.perf_counter() - started)
        return count > 0

    async def load(self, aggregate: type[A], identifier: object) -> Loaded[A]:
        """A copy of the stored state of one instance.

        Raises:
            StreamNotFound: nothing was ever stored for it.
        """
        stream = aggregate.stream(identifier)
        instance = self.get(aggregate, stream)
        async with instance.lock:
            await self.refresh(instance)
            if not instance.version:
                self._live.pop(stream, None)
                raise StreamNotFound(stream)
            state: Any = copy.deepcopy(instance.state)
            return Loaded(stream, instance.version, state)

    def _evict(self) -> None:
        for stream, instance in self._live.items():
            if not instance.lock.locked():
                del self._live[stream]
                return
