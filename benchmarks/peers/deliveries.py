"""What a subscriber saw of appends that were made concurrently.

Only the standard library is used here, since some workers have an environment of their own.
"""

import time
from collections import defaultdict

from benchmarks.measure import Rate
from benchmarks.peers.wire import Measured
from benchmarks.peers.work import delivery_faults

QUIET = 5.0
"""Seconds without an event after which those that were not seen are taken to be lost."""


class Deliveries:
    """Pairs the calls of appends with those of the subscriber.

    Attributes:
        attached: whether the subscriber saw anything, also of other streams.
    """

    def __init__(self) -> None:
        self.attached = False
        self._called: dict[tuple[str, int], float] = {}
        self._seen: defaultdict[str, list[int]] = defaultdict(list)
        self._latencies: list[float] = []
        self._first = self._last = 0.0

    def call(self, stream: str, version: int) -> None:
        """Note that the append of an event is about to be called."""
        self._last = self._called[stream, version] = time.perf_counter()
        self._first = self._first or self._last

    def note(self, stream: str, version: int) -> None:
        """Note that the subscriber sees an event."""
        self.attached = True
        called = self._called.get((stream, version))
        if called is None:
            return
        self._last = time.perf_counter()
        if version not in self._seen[stream]:
            self._latencies.append(self._last - called)
        self._seen[stream].append(version)

    def are_over(self) -> bool:
        """Whether everything was seen, or nothing for a while."""
        return len(self._latencies) >= len(self._called) or time.perf_counter() - self._last > QUIET

    def measured(self) -> Measured:
        """Different events, from the first call of an append to the last of the subscriber."""
        wanted: defaultdict[str, int] = defaultdict(int)
        for stream, _ in self._called:
            wanted[stream] += 1
        rate = Rate(len(self._latencies), self._last - self._first, self._latencies, self._first)
        return Measured(rate, delivery_faults(self._seen, wanted))
