"""One aggregate instance in memory: its state as this process last knew it, and its lock."""

import asyncio
import copy
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from chekov.domain.aggregate import Aggregate
from chekov.domain.definitions import definition_of
from chekov.domain.immutability import is_immutable_value
from chekov.domain.messages import Event
from chekov.engine.failures import described, is_requested
from chekov.errors import DefinitionError, UnusableState

_holds: Final[ContextVar[tuple[object, ...]]] = ContextVar("holds", default=())
"""What marks the command handlers that the running code was called by, outermost first."""


OFF_TRACK: Final = -1
_MOST_MISSED: Final = 100


class Followed(NamedTuple):
    """A stored event as the state takes it.

    Attributes:
        version: in its stream.
        position: in the log.
        track: of the log, on which it was seen.
        events: what it is decoded to; `None` if the next command has to read the stream.
    """

    version: int
    position: int
    track: int
    events: Sequence[Event] | None


class LiveAggregate:
    """The state of one stream as this process last knew it, for one command at a time.

    Attributes:
        aggregate: its class.
        definition: of its class.
        stream: where its events are.
        state: what they made of it; `None` when it has to be read from the store.
        version: of the stream, as far as `state` goes.
        position: of the event at `version`; 0 at version 0.
        busy: the lock. A caller that finds it free may set it instead of awaiting `acquire`.
        rehydrated: whether `state` reached the end of the stream, and did not only begin to.
        restored: whether `state` is that of a snapshot which was not compared with the events yet.
        snapshot_version: the version of the newest snapshot found or taken.
        rehydration_seconds: how long it took to read the state; 0.0 when it was not read.
        rehydration_events: how many events were read for it.
        stale: whether the state is to be dropped at the next `release`.
        track: of the log, on which the state follows it; see `LogFollower`.
        bytes: what it takes in memory, as `InstanceCache` estimated.
        measure_at: the version from which on it is to do so again.
        used: when it was last used, by the clock of `InstanceCache`.
    """

    __slots__ = (
        "_before",
        "_holder",
        "_missed",
        "_queue",
        "_restorable",
        "_tentative",
        "aggregate",
        "busy",
        "bytes",
        "definition",
        "measure_at",
        "position",
        "rehydrated",
        "rehydration_events",
        "rehydration_seconds",
        "restored",
        "snapshot_version",
        "stale",
        "state",
        "stream",
        "track",
        "used",
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
        self.rehydrated = False
        self.restored = False
        self.snapshot_version = 0
        self.rehydration_seconds = 0.0
        self.rehydration_events = 0
        self.stale = False
        self.track = OFF_TRACK
        self.bytes = 0
        self.measure_at = 1
        self.used = 0.0
        self._missed: list[Followed] | None = None
        self._restorable = restorable
        self._tentative = False
        self._before: dict[str, Any] | None = None
        self._queue: deque[asyncio.Future[None]] | None = None
        self._holder: tuple[str, object] | None = None

    async def acquire(self) -> None:
        """Take the lock; waiters get it in the order in which they asked.

        Raises:
            DefinitionError: the code that asks was called by the command handler that holds it.
        """
        if not self.busy:
            self.busy = True
            return
        if self._holder is not None and self._holder[1] in _holds.get():
            fault = (
                f"it would wait for itself: while it runs, no other command, load or deletion of "
                f"{self.stream!r} can; its state is the second argument"
            )
            raise DefinitionError(self._holder[0], [fault])
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

    @contextmanager
    def held_by(self, handler: Callable[..., Any]) -> Generator[None]:
        """Note that a command handler is called with the lock, so that it cannot wait for that."""
        # A task that the handler starts has the mark of this one call, for as long as it lives.
        mark = object()
        token = _holds.set((*_holds.get(), mark))
        self._holder = handler.__qualname__, mark
        try:
            yield
        finally:
            self._holder = None
            _holds.reset(token)

    def release(self) -> None:
        """Pass the lock to the next waiter, or free it."""
        if self.stale:
            self.stale = False
            self.forget()
        if self._missed is not None:
            self._take_missed()
        while self._queue:
            future = self._queue.popleft()
            if not future.done():
                future.set_result(None)
                return
        self.busy = False

    def follow(self, followed: "Followed") -> None:
        """Apply what somebody else stored; while the lock is held, once it is released.

        What does not continue the state is not applied: the next command reads the stream.
        """
        if not self.busy:
            self._follow(followed)
        elif self._missed is None:
            self._missed = [followed]
        elif len(self._missed) < _MOST_MISSED:
            self._missed.append(followed)
        else:
            self.stale = True

    @property
    def missed(self) -> int:
        """How many events `follow` keeps for the release of the lock."""
        return len(self._missed or ())

    def reaches(self, version: int) -> bool:
        """Apply what `follow` kept, and return whether that leads up to a version.

        The caller holds the lock, and nothing is tentative.
        """
        before = self.version
        self._take_missed()
        return self.state is not None and before < version <= self.version

    def _take_missed(self) -> None:
        missed, self._missed = self._missed, None
        for followed in missed or ():
            self._follow(followed)

    def _follow(self, followed: "Followed") -> None:
        if self.state is None or not self.rehydrated or followed.position <= self.position:
            return
        if followed.version <= self.version:
            # The stream was erased, and another one has its name.
            self.forget()
        elif followed.version > self.version + 1 or followed.track != self.track:
            self.track = OFF_TRACK
        elif followed.events is None:
            self.forget()
        else:
            try:
                self.apply(followed.events)
            except BaseException as error:
                self.forget()
                if is_requested(error, asyncio.current_task()):
                    raise
            else:
                self.version, self.position = followed.version, followed.position

    def apply_tentatively(self, events: Iterable[Event]) -> None:
        """Change the state by events that are not stored yet: `confirm` or `undo` comes next."""
        self._tentative = True
        self._before = dict(vars(self.state)) if self._restorable else None
        self.apply(events)

    def confirm(self, version: int, position: int) -> None:
        """Keep what was applied tentatively: it is stored, up to this version and position."""
        self._tentative = False
        # The copies took a quarter of the memory of 100,000 live aggregates with one field each.
        self._before = None
        self.version = version
        self.position = position

    def undo(self, *, restore: bool) -> None:
        """Undo what was applied tentatively, if anything.

        Args:
            restore: set the state back, if a copy of its fields is enough for that; else drop it.
        """
        if not self._tentative:
            return
        self._tentative = False
        before, self._before = self._before, None
        # The values decide, not only the annotations: appliers may have set a list all the same.
        if restore and before is not None and all(map(is_immutable_value, before.values())):
            fields = vars(self.state)
            fields.clear()
            fields.update(before)
        else:
            self.forget()

    def begin(self, state: Aggregate, version: int = 0, position: int = 0) -> None:
        """Start from a state: the empty one, or that of a snapshot."""
        self.state = state
        self.version = self.snapshot_version = version
        self.position = position
        self.rehydrated = False
        self.restored = version > 0
        self.rehydration_seconds = 0.0
        self.rehydration_events = 0

    def forget(self) -> None:
        """Drop a state that may differ from what is stored."""
        self.state = None
        self.version = 0
        self.rehydrated = False
        self.track = OFF_TRACK

    def copied_state(self) -> Any:
        """A copy of the state, which shares nothing with it.

        Raises:
            UnusableState: a value in it cannot be copied.
        """
        try:
            return copy.deepcopy(self.state)
        except BaseException as error:
            if is_requested(error, asyncio.current_task()):
                raise
            raise UnusableState(
                f"the state of {self.stream!r} cannot be copied: {described(error)}"
            ) from error

    def apply(self, events: Iterable[Event]) -> None:
        """Change the state by events; the caller sets the version."""
        state = self.state
        appliers = self.definition.appliers
        for event in events:
            appliers[type(event)].function(state, event)
