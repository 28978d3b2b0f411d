"""What differs between the kinds of handlers, as one strategy object each.

A kind decides how its subscription is prepared in the store, how a batch of events reaches the
handler, and what commits together with the checkpoint. Everything else (order, retries, parking,
leases) is the same for all of them.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Final

from chekov.domain.context import Context, Sender, draft
from chekov.domain.domain import Domain
from chekov.domain.failure import Decision
from chekov.domain.handler import EventHandler
from chekov.domain.handler_definition import HandlerDefinition
from chekov.engine.failures import described, is_requested, leaves
from chekov.engine.processes.reactions import UnhandledRefusal
from chekov.engine.subscriptions.checkpoint import Checkpoint, Progress
from chekov.engine.subscriptions.handler_routes import HandlerRoutes
from chekov.engine.subscriptions.keys import partition_keys
from chekov.engine.subscriptions.layouts import HandledBefore
from chekov.engine.subscriptions.partition_keys import PartitionKeys
from chekov.engine.subscriptions.partitions import partition_of
from chekov.engine.subscriptions.sender import Execute, HandlerSender, RefusingSender, Scheduling
from chekov.errors import (
    Draining,
    Fenced,
    Overloaded,
    StoreUnavailable,
    TagIndexIncomplete,
    Undecodable,
)
from chekov.serialization.codec import Codec, decode_senders_metadata
from chekov.serialization.processes import UnreadableProcess
from chekov.store.port import Claim, Layout, ParkingEntry, RecordedEvent, Store, SubscriptionKey
from chekov.store.start_points import start_position

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class DeliveryFailed(Exception):
    """The handler raised, or an event could not be decoded.

    Attributes:
        done: how many events of the batch are handled nevertheless.
        together: how many of the events after these were handled as one, and failed.
        error: what was raised.
        hopeless: whether trying again cannot help.
    """

    def __init__(
        self, done: int, error: BaseException, *, together: int = 1, hopeless: bool = False
    ) -> None:
        self.done = done
        self.together = together
        self.error = error
        self.hopeless = hopeless or isinstance(
            error, Undecodable | UnreadableProcess | UnhandledRefusal
        )
        super().__init__(described(error))

    @property
    def excused(self) -> bool:
        """Whether the process refused what the handler asked for, so the event is not at fault."""
        refusals = Draining | Overloaded | TagIndexIncomplete
        return all(isinstance(error, refusals) for error in leaves(self.error))


@dataclass(frozen=True, slots=True)
class Subject:
    """What a kind is given to work with.

    Attributes:
        handler: what it runs.
        definition: of the handler, with what the installation says in place of its class.
        layout: into how many partitions its subscription is divided.
        store: where its events come from.
        domain: that the handler belongs to.
        execute: executes the commands that it sends.
        scheduling: keeps those that it sends for later.
        keys: of its events, if another partition in this process has them already.
    """

    key: SubscriptionKey
    handler: EventHandler
    definition: HandlerDefinition
    layout: Layout
    store: Store
    codec: Codec
    domain: Domain
    execute: Execute
    scheduling: Scheduling
    keys: PartitionKeys | None = None


class Invocation(ABC):
    """How events reach one handler. Subclasses are the kinds of handlers.

    Attributes:
        kind: the kind's name, as people and machines read it.
        batch_size: how many events to pass to `invoke` at once.
        decides: whether the handler has an `on_error` of its own.
        keys: of its events; `None` if their streams are the keys.
        until: the position at which it is to stop; see `Layout`.
        sender: executes what the handler dispatches, or refuses to.
    """

    kind: ClassVar[str]
    batch_size: int = 1

    def __init__(self, subject: Subject) -> None:
        self.key = subject.key
        self.handler = subject.handler
        self.definition = subject.definition
        self.store = subject.store
        self._domain = subject.domain
        self.routes = HandlerRoutes(subject.handler, subject.codec)
        self.sender = self._sender(subject)
        self._deciding = RefusingSender(
            subject.domain,
            f"{type(subject.handler).__qualname__}.on_error",
            "it only decides what follows the error; dispatch in the method that handles the event",
        )
        self.until = subject.layout.until
        self._partitions = subject.layout.partitions
        self.keys = subject.keys
        if self.keys is None and self.definition.keys:
            self.keys = self._partition_keys()
        self._before = HandledBefore(subject.layout, self.partition_key)
        self._filters = not self.definition.filter.is_open
        self.batch_size = max(self.batch_size, self.routes.largest_batch)
        self.decides = type(subject.handler).on_error is not EventHandler.on_error

    async def prepare(self, *, registered: bool = False) -> None:
        """Create in the store what the subscription needs before it runs, for all its partitions.

        Args:
            registered: it was registered before, so where it starts is decided.

        Raises:
            StoreError: the store cannot hold it.
            DefinitionError: the database refuses it, or the log does not reach to where it is to
                start.
        """
        start = await self._start(registered=registered)
        keys = partition_keys(self.key, self._partitions)
        await self.store.subscriptions.register(keys, start=start)

    async def _start(self, *, registered: bool) -> int:
        if registered:
            return 0
        label = type(self.handler).__qualname__
        return await start_position(self.store, self.definition.start_from, label=label)

    def _sender(self, subject: Subject) -> Sender:
        """What the contexts of its events are connected to."""
        return HandlerSender(subject.domain, subject.key.name, subject.execute, subject.scheduling)

    def accepts(self, event: RecordedEvent) -> bool:
        """Whether an event meets the filter of the handler's class."""
        return self.definition.filter.matches(event)

    def _partition_keys(self) -> PartitionKeys:
        sender = RefusingSender(
            self._domain,
            type(self.handler).__qualname__,
            "a method marked @partition only returns a key",
        )
        make = partial(context_of, sender=sender, attempt=1, replaying=False)
        return PartitionKeys(self.handler, self.definition, self.routes, make)

    def partition_key(self, event: RecordedEvent) -> str | None:
        """The key that decides which partition an event belongs to.

        `None` if only newer code can say, so that it may be any.
        """
        return event.stream if self.keys is None else self.keys.key(event)

    def wanted(self, events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
        """Return those of `events` that concern the handler, and belong to this partition."""
        if self._partitions == 1:
            return self.concerning(events)
        own, number = self.key.partition, self._partitions
        if self.keys is None:
            return self.concerning(
                [item for item in events if partition_of(item.stream, number) == own]
            )
        events = self.concerning(events)
        return [
            item
            for item, key in zip(events, self.keys.keys(events), strict=True)
            if key is None or partition_of(key, number) == own
        ]

    def concerning(self, events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
        """Return those of `events` that concern the handler, in whichever partition."""
        if self._filters:
            events = [event for event in events if self.accepts(event)]
        decided = self.routes.decided
        try:
            return [event for event in events if decided[event.type]]
        except KeyError:  # at the first sight of a name
            return [event for event in events if self.routes.wants(event.type)]

    def pending(self, events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
        """Return those of `events` that concern the handler and that nobody has handled yet."""
        return self._before.left_of(self.wanted(events))

    def patience(self, events: Sequence[RecordedEvent]) -> float:
        """For how many seconds to wait for more events before these are handled."""
        return self.routes.patience(self.wanted(events)) if self.routes.takes_batches else 0.0

    def running(self, checkpoint: Checkpoint) -> AbstractAsyncContextManager[None]:
        """Surrounds the handling under one claim, for what a kind does beside it."""
        return nullcontext()

    async def inputs(self, checkpoint: Checkpoint) -> Sequence[RecordedEvent]:
        """Return what is to be handled besides the log, in the shape of events.

        Raises:
            StoreUnavailable: the database is away.
        """
        return ()

    @property
    def seconds_until_input(self) -> float | None:
        """Seconds until `inputs` may have something; `None` when nothing is foreseen."""
        return None

    async def park(self, checkpoint: Checkpoint, entry: ParkingEntry) -> None:
        """Set an event aside, and move the checkpoint past it.

        Raises:
            Fenced: another process owns the subscription.
            StoreUnavailable: the database is away.
        """
        await checkpoint.park(entry)

    def ordering_keys(self, event: RecordedEvent) -> Sequence[str]:
        """The keys whose events are handled in order: a parked event blocks later ones of each.

        None for what is not in the log, and for what only newer code can say: it neither blocks
        nor is blocked.
        """
        key = self.partition_key(event)
        return () if key is None else (key,)

    def blocks(self, event: RecordedEvent) -> Sequence[str]:
        """The keys that an event blocks once it is set aside."""
        return self.ordering_keys(event)

    async def withheld(self, claim: Claim) -> Collection[str]:
        """Keys that are blocked by what was set aside and is not in the log.

        Raises:
            StoreUnavailable: the database is away.
        """
        return ()

    def unblocked(self, events: Sequence[RecordedEvent]) -> Collection[str]:
        """Keys whose parked events are next, now that `events` are handled."""
        return ()

    @property
    def blocked_changed(self) -> bool:
        """Whether handling may have changed what `withheld` says."""
        return False

    def on_error(
        self, error: Exception, recorded: RecordedEvent, *, attempt: int, replaying: bool
    ) -> Decision | None:
        """What the handler says to do after an error.

        Raises:
            Undecodable: the event cannot be read any more.
            Exception: what the handler raises.
        """
        context = context_of(recorded, self._deciding, attempt=attempt, replaying=replaying)
        return self.handler.on_error(error, self.routes.first(recorded), context)

    @abstractmethod
    async def invoke(
        self, checkpoint: Progress, events: Sequence[RecordedEvent], *, attempt: int
    ) -> int:
        """Handle `events`, move `checkpoint`, and return how many were handled.

        Raises:
            DeliveryFailed: at one of them.
            Fenced: another process owns the subscription.
            StoreUnavailable: the database is away; whether the events were handled is unknown.
        """


def context_of(
    recorded: RecordedEvent, sender: Sender, *, attempt: int, replaying: bool
) -> Context:
    """What a handler is told about an event."""
    made = draft_of(recorded, sender, attempt=attempt, replaying=replaying)
    made.__class__ = Context
    return made


def draft_of(recorded: RecordedEvent, sender: Sender, *, attempt: int, replaying: bool) -> Any:
    """A draft of a context, which is to become one by its class."""
    made = draft()
    made.stream = recorded.stream
    made.version = recorded.version
    made.position = recorded.position
    made.id = recorded.id
    made.time = recorded.time
    made.correlation_id = recorded.correlation_id
    made.causation_id = recorded.causation_id
    made.metadata = metadata_of(recorded)
    made.replaying = replaying
    made.attempt = attempt
    made._sender = sender  # noqa: SLF001 a draft is filled from outside
    made._sent = 0  # noqa: SLF001
    return made


def metadata_of(recorded: RecordedEvent) -> Mapping[str, Any]:
    """Return the metadata of the command that caused an event, as its sender gave it."""
    return _NOTHING if recorded.metadata is None else decode_senders_metadata(recorded.metadata)


def _never(_error: BaseException) -> bool:
    return False


@contextmanager
def failures(together: int, hopeless: Callable[[BaseException], bool] = _never) -> Generator[None]:
    """Turn what a handler raises into `DeliveryFailed`, with none of the events handled.

    Args:
        together: how many events there are.
        hopeless: says of an error whether trying again cannot help.
    """
    task = asyncio.current_task()
    try:
        yield
    except (DeliveryFailed, Fenced):
        raise
    except BaseException as error:
        failed = failure_of(error, task, done=0, together=together)
        if failed is None:
            raise
        failed.hopeless = failed.hopeless or all(map(hopeless, leaves(error)))
        raise failed from error


def failure_of(
    error: BaseException, task: "asyncio.Task[Any] | None", *, done: int, together: int = 1
) -> DeliveryFailed | None:
    """Return what an error that a handler let out in `task` means after `done` events.

    `None` when it is not the handler's: the task was cancelled, or the process was interrupted.

    Raises:
        StoreUnavailable: the database is away.
    """
    found = leaves(error)
    if all(isinstance(leaf, StoreUnavailable) for leaf in found):
        raise found[0]
    if is_requested(error, task):
        return None
    return DeliveryFailed(done, error, together=together)
