"""The instances of a process by stream, within bounds: by count, by memory, and by idle time."""

import asyncio
import sys
import time
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Final, Literal, TypeAlias

from chekov.domain.aggregate import AggregateDefinition
from chekov.engine.commands.cache_limits import CacheLimits
from chekov.engine.commands.live_aggregate import LiveAggregate
from chekov.engine.commands.memory import estimated_bytes

Reason = Literal["count", "bytes", "idle"]

_INSTANCE_BYTES: Final = 400
"""What an instance takes besides its state and its name, with its place in the cache."""
_SHARE_OF_IDLE: Final = 4
_SHORTEST_PERIOD: Final = 0.005
_LONGEST_PERIOD: Final = 15.0
_SLICE: Final = 1000

_Recency: TypeAlias = OrderedDict[str, LiveAggregate]


class InstanceCache:
    """Drops the least recently used instances that are free beyond its bounds.

    A state is measured when it was read and whenever its stream has doubled, so that neither a
    command nor a large state pays for it often.

    Args:
        limits: its bounds.
        definitions: of the aggregates that it will hold.

    Attributes:
        bytes: what the instances take, as estimated.
        dropped: how many were, by reason.
        expires: whether instances are dropped after a time.
    """

    def __init__(self, limits: CacheLimits, definitions: Collection[AggregateDefinition]) -> None:
        self._limits = limits
        self._instances: _Recency = OrderedDict()
        self._bounded: Mapping[str, _Recency] = {
            item.identity: OrderedDict() for item in definitions if item.cache is not None
        }
        idle = None if limits.idle is None else limits.idle.total_seconds()
        self._idle = {item.identity: _seconds(item.idle, idle) for item in definitions}
        times = [seconds for seconds in self._idle.values() if seconds is not None]
        shortest = min(times, default=0.0) / _SHARE_OF_IDLE
        self._period = min(max(shortest, _SHORTEST_PERIOD), _LONGEST_PERIOD)
        self.expires = bool(times)
        self._now = time.monotonic()
        self.bytes = 0
        self.dropped: defaultdict[Reason, int] = defaultdict(int)

    def __len__(self) -> int:
        return len(self._instances)

    def __iter__(self) -> Iterator[LiveAggregate]:
        return iter(self._instances.values())

    def find(self, stream: str) -> LiveAggregate | None:
        """The instance of a stream, if there is one; it counts as no use of it."""
        return self._instances.get(stream)

    def use(self, stream: str) -> LiveAggregate | None:
        """The instance of a stream, if there is one."""
        instance = self._instances.get(stream)
        if instance is None:
            return None
        self._instances.move_to_end(stream)
        if self._bounded and (same := self._bounded.get(instance.definition.identity)) is not None:
            same.move_to_end(stream)
        instance.used = self._now
        return instance

    def add(self, instance: LiveAggregate) -> None:
        """Hold another instance; drop others if there is no room."""
        stream, definition = instance.stream, instance.definition
        self._instances[stream] = instance
        instance.used = self._now
        instance.bytes = _INSTANCE_BYTES + sys.getsizeof(stream)
        self.bytes += instance.bytes
        same = self._bounded.get(definition.identity)
        if same is not None:
            same[stream] = instance
            if len(same) > (definition.cache or 0):
                self._drop_oldest(same, "count")
        if len(self._instances) > self._limits.instances:
            self._drop_oldest(self._instances, "count")
        self._keep_within_bytes()

    def discard(self, instance: LiveAggregate) -> None:
        """Hold an instance no longer."""
        if self._instances.get(instance.stream) is not instance:
            return
        del self._instances[instance.stream]
        same = self._bounded.get(instance.definition.identity)
        if same is not None:
            del same[instance.stream]
        self.bytes -= instance.bytes

    def measure(self, instance: LiveAggregate) -> None:
        """Estimate what an instance takes now; drop others if there is no room."""
        instance.measure_at = 2 * instance.version or 1
        if self._instances.get(instance.stream) is not instance:
            return
        size = _INSTANCE_BYTES + sys.getsizeof(instance.stream) + estimated_bytes(instance.state)
        self.bytes += size - instance.bytes
        instance.bytes = size
        self._keep_within_bytes()

    async def tend(self) -> None:
        """Drop what nobody used for its time, until cancelled."""
        while True:
            await asyncio.sleep(self._period)
            self._now = time.monotonic()
            for number, instance in enumerate(list(self._instances.values()), 1):
                idle = self._idle.get(instance.definition.identity)
                # The time of use may be noted as earlier than it was, by a period.
                if idle is not None and self._now - instance.used > idle + self._period:
                    self._drop(instance, "idle")
                if not number % _SLICE:
                    await asyncio.sleep(0)

    def _keep_within_bytes(self) -> None:
        while self.bytes > self._limits.bytes and len(self._instances) > 1:
            if not self._drop_oldest(self._instances, "bytes"):
                return

    def _drop_oldest(self, instances: _Recency, reason: Reason) -> bool:
        newest = next(reversed(instances.values()), None)
        for instance in instances.values():
            if instance is newest:
                return False  # which is about to be used
            if self._drop(instance, reason):
                return True
        return False

    def _drop(self, instance: LiveAggregate, reason: Reason) -> bool:
        if instance.busy:
            return False
        self.discard(instance)
        self.dropped[reason] += 1
        return True


def _seconds(own: timedelta | None, default: float | None) -> float | None:
    return default if own is None else own.total_seconds()
