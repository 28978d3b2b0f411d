"""Process managers: state, outbox, timers and checkpoint commit in one transaction."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    Callable,
    Collection,
    Coroutine,
    Iterator,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple, cast
from uuid import UUID, uuid5

from chekov.domain.definitions import process_definition_of
from chekov.domain.messages import Command
from chekov.domain.process_manager import ProcessManager
from chekov.engine.processes.outbox import Outbox
from chekov.engine.processes.reactions import ReactionBatch, Source
from chekov.engine.subscriptions.batch_limit import BatchLimit
from chekov.engine.subscriptions.checkpoint import Checkpoint, Progress
from chekov.engine.subscriptions.invocation import Invocation, Subject, failures
from chekov.engine.subscriptions.time_slice import clock
from chekov.errors import InvalidCommand, StoreUnavailable, UnknownCommand
from chekov.serialization.processes import ProcessCodec, decode_refusal
from chekov.store.port import (
    Claim,
    ParkingEntry,
    ProcessInput,
    QueuedCommand,
    RecordedEvent,
    instance_key,
)

_LOOK_SECONDS: Final = 5.0
"""After which the store is asked for refusals and timers, although none is foreseen."""


class _Step(NamedTuple):
    """One input of one instance."""

    instance: str
    react: Callable[[ReactionBatch], None]


class ProcessInvocation(Invocation):
    """Handles a batch of inputs in one transaction, so each leads to its commands exactly once.

    Besides events, its inputs are refusals of commands and timers that are due. They come from the
    store, and pass through the same delivery in the shape of events.
    """

    kind = "process"
    batch_size = 500

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._domain = subject.domain
        self._codec = subject.codec
        self._processes = subject.store.processes
        self._manager = type(cast("ProcessManager", subject.handler))
        self._reactions = process_definition_of(self._manager).reactions
        self._formats = ProcessCodec(subject.domain)
        self._outbox = Outbox(
            self.key, self._processes, subject.codec, subject.execute, self._refused
        )
        self._limit = BatchLimit(self.batch_size)
        self._inputs: dict[UUID, ProcessInput] = {}
        self._withheld: set[str] = set()
        self._passed_withheld = False
        self._more = True
        self._look_at = 0.0
        self._due_known = False
        self._due_at: float | None = None

    def running(self, checkpoint: Checkpoint) -> AbstractAsyncContextManager[None]:
        """Send commands while inputs are handled."""
        self._more, self._due_known = True, False
        return _alongside(self._outbox.run(checkpoint))

    async def inputs(self, checkpoint: Checkpoint) -> Sequence[RecordedEvent]:
        """Refusals and due timers, one for each instance, in the shape of events."""
        if asyncio.get_running_loop().time() >= self._look_at:
            self._more = True  # others may have released what was set aside
        if not self._due_known:
            await self._learn_next_due()
        if self.seconds_until_input != 0:
            return ()
        found = await self._processes.inputs(self.key, limit=self.batch_size)
        self._more = bool(found)  # an instance may have several
        self._look_at = asyncio.get_running_loop().time() + _LOOK_SECONDS
        self._due_known = False
        events = [self._as_event(item, checkpoint.position) for item in found]
        self._inputs = {event.id: item for event, item in zip(events, found, strict=True)}
        return events

    @property
    def seconds_until_input(self) -> float | None:
        """Seconds until there may be a refusal or a timer; `None` when none is foreseen."""
        if self._more or not self._due_known:
            return 0
        if self._due_at is None:
            return None
        return max(0, self._due_at - asyncio.get_running_loop().time())

    def concerning(self, events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
        """Return those of `events` that concern the handler, in whichever partition."""
        return [
            event
            for event in events
            if event.id in self._inputs or (self.routes.wants(event.type) and self.accepts(event))
        ]

    async def invoke(
        self, checkpoint: Progress, events: Sequence[RecordedEvent], *, attempt: int
    ) -> int:
        """Handle the inputs, or the first of them if they take long; or none of them."""
        events = events[: self._limit.events]
        self._limit.begin()
        try:
            with failures(len(events)):
                steps = [list(self._steps(event)) for event in events]
                instances = {step.instance for each in steps for step in each}
                loaded = await self._processes.load(self.key, instances)
                batch = ReactionBatch(
                    self._manager, self._domain, self._codec, self._formats, loaded
                )
                done = await self._react(batch, steps)
                last = events[done - 1].position
                position = max(checkpoint.position, last)
                changes = batch.changes()
                numbers = await self._processes.commit(
                    checkpoint.claim,
                    position,
                    changes,
                    parked=checkpoint.blocked_until(position),
                    unpark=last if checkpoint.unparks else None,
                )
        except StoreUnavailable:
            self._limit.lost(len(events))
            raise
        self._limit.committed(done)
        checkpoint.committed(position)
        if self._withheld and not self._withheld.isdisjoint(instances):
            self._passed_withheld = True  # it may have replaced or removed what was set aside
        if checkpoint.unparks:
            self._more = True  # what the parked event kept back
        if changes.commands:
            self._outbox.put(numbers, changes.commands)
        if changes.timers:
            self._due_known = False
        return done

    async def _react(self, batch: ReactionBatch, steps: Sequence[Sequence[_Step]]) -> int:
        """Handle inputs, each with its steps, and return how many were handled."""
        limit = self._limit
        done = 0
        for each in steps:
            for step in each:
                step.react(batch)
            done += 1
            if clock() >= limit.pause_at and await limit.reached():
                break
        return done

    async def park(self, checkpoint: Checkpoint, entry: ParkingEntry) -> None:
        """Set an input aside: an event as ever, a refusal or a timer where it is stored."""
        item = self._inputs.get(entry.event.id)
        if item is None:
            await super().park(checkpoint, entry)
        else:
            error = entry.failure.error if entry.failure else ""
            await self._processes.set_aside(
                checkpoint.claim, item, error=error, discarded=entry.discarded
            )
            if entry.discarded is None:
                self._withheld.add(_instance_of(item))

    def ordering_keys(self, event: RecordedEvent) -> Sequence[str]:
        """The instances that an event is for; its stream, if that cannot be said."""
        if event.id in self._inputs:
            return ()
        return self._instance_keys(event) or (event.stream,)

    def blocks(self, event: RecordedEvent) -> Sequence[str]:
        """The instances, also that of a refusal or a timer."""
        item = self._inputs.get(event.id)
        return self.ordering_keys(event) if item is None else (self._key_of(item),)

    async def withheld(self, claim: Claim) -> Collection[str]:
        """Instances with a refusal or a timer that was set aside, and was not handled since."""
        self._more = True  # some may have been released
        found = await self._processes.withheld(claim.key)
        self._withheld, self._passed_withheld = set(found), False
        return [instance_key(self.key.name, instance) for instance in found]

    def unblocked(self, events: Sequence[RecordedEvent]) -> Collection[str]:
        """Instances whose released refusal or timer is among `events`."""
        found = (self._inputs.get(event.id) for event in events)
        return [self._key_of(item) for item in found if item is not None and item.error is not None]

    @property
    def blocked_changed(self) -> bool:
        """Whether an instance was handled that had something set aside."""
        return self._passed_withheld

    def _instance_keys(self, event: RecordedEvent) -> Sequence[str]:
        """The keys of the instances that an event is for; none if that cannot be said."""
        try:
            instances = dict.fromkeys(step.instance for step in self._event_steps(event))
        except Exception:  # noqa: BLE001 it fails again when it is handled
            return ()
        return [instance_key(self.key.name, instance) for instance in instances]

    def _key_of(self, item: ProcessInput) -> str:
        return instance_key(self.key.name, _instance_of(item))

    def _steps(self, recorded: RecordedEvent) -> Iterator[_Step]:
        item = self._inputs.get(recorded.id)
        if item is None:
            yield from self._event_steps(recorded)
        elif isinstance(item, QueuedCommand):
            yield self._refusal_step(item, _source(recorded))
        elif item.command is not None:
            yield _Step(item.instance, partial(ReactionBatch.send, pending=item))
        else:
            timer = self._formats.decode_timer(self._manager, item.name, item.data)
            react = partial(
                ReactionBatch.react_to_expiry, pending=item, timer=timer, source=_source(recorded)
            )
            yield _Step(item.instance, react)

    def _event_steps(self, recorded: RecordedEvent) -> Iterator[_Step]:
        source = _source(recorded)
        for number, event in enumerate(self._codec.decode_all(recorded)):
            reaction = self._reactions.get(type(event))
            if reaction is None:
                continue
            if number:  # ids of commands are derived from it, so each part has its own
                source = source._replace(id=uuid5(recorded.id, str(number)))
            for name in reaction.instances(event):
                react = partial(
                    ReactionBatch.react_to_event,
                    reaction=reaction,
                    name=name,
                    event=event,
                    source=source,
                )
                yield _Step(name, react)

    def _refusal_step(self, item: QueuedCommand, source: Source) -> _Step:
        command: Command[Any] | None
        try:
            command = self._codec.decode_command(item.sent.command, item.sent.data)
        except (InvalidCommand, UnknownCommand):
            command = None
        react = partial(
            ReactionBatch.react_to_refusal,
            queued=item,
            command=command,
            reason=decode_refusal(item.refusal or b"{}"),
            source=source,
        )
        return _Step(item.sent.instance, react)

    def _as_event(self, item: ProcessInput, position: int) -> RecordedEvent:
        if isinstance(item, QueuedCommand):
            sent = item.sent
            instance, type_, id_, time = sent.instance, "$rejected", sent.id, datetime.now(UTC)
            origin, name = sent, sent.command
        else:
            instance, type_, id_, time = item.instance, "$expired", item.id, item.due
            origin, name = item, item.name
        return RecordedEvent(
            position,
            f"{self.key.name}-{instance}",
            0,
            id_,
            f"{type_} {name}",
            origin.data,
            origin.metadata,
            origin.correlation_id,
            origin.causation_id,
            time,
        )

    async def _learn_next_due(self) -> None:
        asked_at = asyncio.get_running_loop().time()
        seconds = await self._processes.next_due(self.key)
        self._due_known = True
        self._due_at = None if seconds is None else asked_at + seconds

    def _refused(self) -> None:
        self._more = True
        self.store.tail.head.wake_all()


def _instance_of(item: ProcessInput) -> str:
    return item.sent.instance if isinstance(item, QueuedCommand) else item.instance


def _source(recorded: RecordedEvent) -> Source:
    return Source(
        recorded.id,
        recorded.time,
        recorded.correlation_id or recorded.id,
        recorded.metadata,
    )


@asynccontextmanager
async def _alongside(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Run `work` during the block; what the block raises leaves it as it is, not in a group."""
    raised: BaseException | None = None
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        except BaseException as error:  # noqa: BLE001 it is raised below
            raised = error
        task.cancel()
    if raised is not None:
        raise raised
