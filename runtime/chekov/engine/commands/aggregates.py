"""The live aggregates of a process: their states, kept between commands."""

from datetime import datetime
from typing import Any, TypeVar

from chekov.domain.aggregate import Aggregate
from chekov.domain.boundary import Boundary
from chekov.domain.immutability import has_immutable_fields
from chekov.domain.loaded import Loaded
from chekov.engine.commands.instance_cache import InstanceCache
from chekov.engine.commands.live_aggregate import LiveAggregate
from chekov.engine.commands.rehydration import Rehydrator
from chekov.errors import HistoryTruncated, InvalidArgument, StreamNotFound, WrongExpectedVersion
from chekov.store.port import Store

A = TypeVar("A", bound=Aggregate)


class AggregateCache:
    """The instances of a process, as many as `instances` holds, and how their states are read.

    Attributes:
        instances: the cache itself.
        measure: has an instance measured, see `InstanceCache`.
        cached: the instance of a stream, if there is one.
    """

    def __init__(self, store: Store, rehydrator: Rehydrator, instances: InstanceCache) -> None:
        self._events = store.events
        self._streams = store.streams
        self._rehydrator = rehydrator
        self._restorable: dict[type[Aggregate], bool] = {}
        self.instances = instances
        self.measure, self.cached = instances.measure, instances.find

    def __len__(self) -> int:
        return len(self.instances)

    def get_or_create(self, aggregate: type[Aggregate], stream: str) -> LiveAggregate:
        """The instance of a stream; its state may have to be read still."""
        instance = self.instances.use(stream)
        if instance is None:
            restorable = self._is_restorable(aggregate)
            instance = LiveAggregate(aggregate, stream, restorable=restorable)
            self.instances.add(instance)
        return instance

    def release(self, instance: LiveAggregate) -> None:
        """Release the lock of an instance, which may have grown."""
        if instance.version >= instance.measure_at:
            self.measure(instance)
        instance.release()

    async def load(
        self, aggregate: type[A], stream: str, at: int | datetime | None = None
    ) -> Loaded[A]:
        """A copy of the stored state of one instance; see `Runtime.load`."""
        _check_has_state(aggregate)
        if at is not None:
            return await self.load_at(aggregate, stream, at)
        instance = self.get_or_create(aggregate, stream)
        await instance.acquire()
        try:
            await self._rehydrator.catch_up(instance)
            if not instance.version:
                await self._rehydrator.refuse_deleted(stream)
                raise StreamNotFound(stream)
            return Loaded(stream, instance.version, instance.copied_state())
        finally:
            self._release(instance)

    async def delete(self, aggregate: type[Aggregate], stream: str, *, erase: bool) -> int:
        """Delete the stream of one instance; see `Runtime.delete`."""
        instance = self.get_or_create(aggregate, stream)
        await instance.acquire()
        try:
            return await self._streams.delete(stream, erase=erase)
        finally:
            instance.forget()
            self._release(instance)

    def drop(self) -> None:
        """Drop every state; that of a busy instance when it is released."""
        for instance in self.instances:
            if instance.busy:
                instance.stale = True
            else:
                instance.forget()

    async def load_at(self, aggregate: type[A], stream: str, at: int | datetime) -> Loaded[A]:
        """The state of one instance at a version or time; see `Runtime.load`."""
        _check_has_state(aggregate)
        _check_moment(at)
        info = await self._streams.info(stream)
        version = await self._version_at(stream, at) if isinstance(at, datetime) else at
        if not 0 < version <= info.version:
            raise WrongExpectedVersion(stream, version, info.version)
        instance = LiveAggregate(aggregate, stream, restorable=False)
        await self._rehydrator.rehydrate(instance, version)
        if not instance.version:
            raise HistoryTruncated(stream, info.first)
        state: Any = instance.state
        return Loaded(stream, instance.version, state)

    async def _version_at(self, stream: str, time: datetime) -> int:
        page = await self._events.read_stream(stream, direction="backward", limit=1, until=time)
        if not page:
            raise StreamNotFound(stream)
        return page[0].version

    def _is_restorable(self, aggregate: type[Aggregate]) -> bool:
        known = self._restorable.get(aggregate)
        if known is None:
            known = self._restorable[aggregate] = has_immutable_fields(aggregate)
        return known

    def _release(self, instance: LiveAggregate) -> None:
        """Release the lock, and drop an instance that has no events."""
        self.release(instance)
        if instance.version or instance.busy or self._rehydrator.continues(instance):
            return
        self.instances.discard(instance)


def _check_has_state(aggregate: type[Aggregate]) -> None:
    if issubclass(aggregate, Boundary):
        raise InvalidArgument(
            f"{aggregate.__qualname__} is a boundary: each of its commands has a state of its own, "
            "and none is left; read the events, or let a projection keep what you look for"
        )


def _check_moment(at: object) -> None:
    if isinstance(at, bool) or not isinstance(at, int | datetime):
        raise InvalidArgument(f"at={at!r:.60}: expected a version or a time")
    if isinstance(at, datetime) and at.tzinfo is None:
        raise InvalidArgument(
            f"{at.isoformat()} has no zone: pass a time such as datetime.now(UTC)"
        )
