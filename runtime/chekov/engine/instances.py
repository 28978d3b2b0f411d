"""Live aggregates: one command at a time each, their state kept between commands."""

import asyncio
import copy
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chekov.domain.aggregate import Aggregate
from chekov.domain.messages import Event
from chekov.engine.observer import Observer
from chekov.engine.rollback import restorable
from chekov.errors import StreamNotFound, Undecodable
from chekov.store.codec import Codec
from chekov.store.port import EventStore, RecordedEvent

A = TypeVar("A", bound=Aggregate)

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Loaded(Generic[A]):
    """A copy of an instance's state, and the version it is at."""

    stream: str
    version: int
    state: A


class Instance:
    """The state of one stream as this process last knew it, for one command at a time.

    Attributes:
        aggregate: its class.
        stream: where its events are.
        state: what they made of it; `None` when it has to be read.
        version: of the stream, as far as `state` goes.
        busy: whether somebody works with it; who finds it idle and sets this need not wait.
    """

    __slots__ = ("_queue", "_restorable", "aggregate", "busy", "state", "stream", "version")

    def __init__(self, aggregate: type[Aggregate], stream: str, *, restorable: bool) -> None:
        self.aggregate = aggregate
        self.stream = stream
        self.state: Aggregate | None = None
        self.version = 0
        self.busy = False
        self._restorable = restorable
        self._queue: deque[asyncio.Future[None]] | None = None

    async def turn(self) -> None:
        """Wait until everyone who came before has left; then it is the caller's."""
        if not self.busy:
            self.busy = True
            return
        future = asyncio.get_running_loop().create_future()
        if self._queue is None:
            self._queue = deque()
        self._queue.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if not future.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Let the next one have it."""
        while self._queue:
            future = self._queue.popleft()
            if not future.done():
                future.set_result(None)
                return
        self.busy = False

    def snapshot(self) -> dict[str, Any] | None:
        """What `restore` needs to put the state back, where copying its fields is enough."""
        return dict(vars(self.state)) if self._restorable else None

    def restore(self, snapshot: dict[str, Any] | None) -> None:
        """Put the state back, or forget it."""
        if snapshot is None:
            self.forget()
        else:
            fields = vars(self.state)
            fields.clear()
            fields.update(snapshot)

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
        self._restorable: dict[type[Aggregate], bool] = {}
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
        instance = live[stream] = Instance(
            aggregate, stream, restorable=self._is_restorable(aggregate)
        )
        if len(live) > self._capacity:
            self._evict()
        return instance

    def _is_restorable(self, aggregate: type[Aggregate]) -> bool:
        known = self._restorable.get(aggregate)
        if known is None:
            known = self._restorable[aggregate] = restorable(aggregate)
        return known

    async def refresh(self, instance: Instance) -> bool:
        """Bring the state up to what is stored; whether anything was new. It is the caller's turn.

        Raises:
            Undecodable: an event of the stream cannot be read, or is none that it applies.
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
                events = self._codec.decode_page(page)
                try:
                    instance.apply(events)
                except KeyError as error:
                    self._refuse_unapplied(instance, page, error)
                    raise
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
        await instance.turn()
        try:
            await self.refresh(instance)
            if not instance.version:
                raise StreamNotFound(stream)
            state: Any = copy.deepcopy(instance.state)
            return Loaded(stream, instance.version, state)
        finally:
            instance.leave()
            if not instance.version:
                self._drop(instance)

    def _refuse_unapplied(
        self, instance: Instance, page: Sequence[RecordedEvent], error: KeyError
    ) -> None:
        """Name the first event that no applier takes, if that is what the error was about."""
        for recorded in page:
            for event in self._codec.decode_all(recorded):
                if type(event) not in instance.aggregate.appliers:
                    reason = (
                        f"{instance.aggregate.__qualname__} does not apply "
                        f"{type(event).__qualname__}: add an @apply method"
                    )
                    raise Undecodable(
                        recorded.type, recorded.stream, recorded.version, reason
                    ) from error

    def _evict(self) -> None:
        for stream, instance in self._live.items():
            if not instance.busy:
                del self._live[stream]
                return

    def _drop(self, instance: Instance) -> None:
        """Forget one that was never stored, so that asking for what is not there costs nothing."""
        if not instance.busy and self._live.get(instance.stream) is instance:
            del self._live[instance.stream]
