"""One live aggregate: its state as this process last knew it, for one command at a time."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

from chekov.domain.aggregate import Aggregate
from chekov.domain.definitions import definition_of
from chekov.domain.messages import Event


class LiveAggregate:
    """The state of one stream as this process last knew it, for one command at a time.

    Attributes:
        aggregate: its class.
        definition: of its class.
        stream: where its events are.
        state: what they made of it; `None` when it has to be read.
        version: of the stream, as far as `state` goes.
        position: of the event at `version`; 0 at version 0.
        busy: whether somebody works with it; who finds it idle and sets this need not wait.
        snapshot_version: up to which version a snapshot was found or taken.
        rehydration_seconds: how long it took to read the state; 0.0 when it was not read.
        stale: whether the state is to be forgotten when whoever works with it leaves.
    """

    __slots__ = (
        "_queue",
        "_restorable",
        "aggregate",
        "busy",
        "definition",
        "position",
        "rehydration_seconds",
        "snapshot_version",
        "stale",
        "state",
        "stream",
        "version",
    )

    def __init__(self, aggregate: type[Aggregate], stream: str, *, restorable: bool) -> None:
        self.aggregate = aggregate
        self.stream = stream
        self.state: Aggregate | None = None
        self.version = 0
        self.position = 0
        self.busy = False
        self.definition = definition_of(aggregate)
        self.snapshot_version = 0
        self.rehydration_seconds = 0.0
        self.stale = False
        self._restorable = restorable
        self._queue: deque[asyncio.Future[None]] | None = None

    async def acquire(self) -> None:
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
                self.release()
            raise

    def release(self) -> None:
        """Let the next one have it."""
        if self.stale:
            self.stale = False
            self.forget()
        while self._queue:
            future = self._queue.popleft()
            if not future.done():
                future.set_result(None)
                return
        self.busy = False

    def fields(self) -> dict[str, Any] | None:
        """What `restore` needs to put the state back, where copying its fields is enough."""
        return dict(vars(self.state)) if self._restorable else None

    def restore(self, fields: dict[str, Any] | None) -> None:
        """Put the state back, or forget it."""
        if fields is None:
            self.forget()
        else:
            current = vars(self.state)
            current.clear()
            current.update(fields)

    def begin(self, state: Aggregate, version: int = 0, position: int = 0) -> None:
        """Go on from a state: the empty one, or that of a snapshot."""
        self.state = state
        self.version = self.snapshot_version = version
        self.position = position

    def forget(self) -> None:
        """Drop a state that may no longer be what is stored."""
        self.state = None
        self.version = 0

    def apply(self, events: Iterable[Event]) -> None:
        """Change the state by events; the version is the caller's."""
        state = self.state
        appliers = self.definition.appliers
        for event in events:
            appliers[type(event)].function(state, event)
