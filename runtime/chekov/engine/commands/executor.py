"""One command against its instance: decide, apply, store; read what is new and decide again."""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast
from uuid import UUID

from chekov.domain.aggregate import Aggregate
from chekov.domain.definitions import definition_of
from chekov.domain.messages import Command, Event
from chekov.engine.commands.aggregates import AggregateCache
from chekov.engine.commands.live_aggregate import LiveAggregate
from chekov.engine.commands.rehydration import Rehydrator
from chekov.engine.commands.router import Route
from chekov.engine.commands.snapshots import AggregateSnapshots
from chekov.engine.observer import Observer, Outcome, observed_append
from chekov.engine.uuid7 import uuid7
from chekov.errors import DefinitionError, DuplicateCommand, Rejected, WrongExpectedVersion
from chekov.serialization.codec import Codec
from chekov.store.port import EventStore, Expected, NewEvent, RecordedEvent

E = TypeVar("E", bound=Event)

RETRIES: Final = 10
_FIRST_PAUSE: Final = 0.0002
_GROWTH: Final = 3

# Skips the argument handling of the class, which would cost more than encoding the event.
_new_event: Final = cast(
    "Callable[[Iterable[Any]], NewEvent]", partial(cast("Any", tuple).__new__, NewEvent)
)


class Dispatched(NamedTuple, Generic[E]):
    """What a command stored.

    Attributes:
        stream: the stream of its instance.
        version: the stream's version after it.
        position: the position of its last event; 0 when it yielded none.
        events: what it yielded, in order.
        recorded: the same as stored.
        command_id: its own id, which its events carry as their cause.
        correlation_id: shared by all that follows from one request.
        repeated: whether the command had been executed before, and this is what it stored then.
    """

    stream: str
    version: int
    position: int
    events: Sequence[E]
    recorded: Sequence[RecordedEvent]
    command_id: UUID
    correlation_id: UUID
    repeated: bool = False


class Execution:
    """One command on its way.

    Attributes:
        once: its id, when that came from its caller and must not be executed twice.
        retries: how often others had changed the stream meanwhile.
        handed_over: whether an append is on its way whose outcome is not known.
        outcome: what is told of it when it succeeds.
    """

    __slots__ = (
        "append_outcome_unknown",
        "command",
        "command_id",
        "correlation_id",
        "expected",
        "metadata",
        "once",
        "outcome",
        "retries",
        "route",
        "stream",
    )

    def __init__(
        self,
        route: Route,
        command: Command[Any],
        stream: str,
        command_id: UUID,
        correlation_id: UUID,
        metadata: bytes | None,
        expected: int | None,
        once: UUID | None,
    ) -> None:
        self.route = route
        self.command = command
        self.stream = stream
        self.command_id = command_id
        self.correlation_id = correlation_id
        self.metadata = metadata
        self.expected = expected
        self.once = once
        self.retries = 0
        self.append_outcome_unknown = False
        self.outcome: Outcome = "accepted"

    def done(
        self,
        version: int,
        position: int,
        events: Sequence[Event],
        recorded: Sequence[RecordedEvent],
    ) -> Dispatched[Any]:
        """Its answer."""
        return Dispatched(
            self.stream, version, position, events, recorded, self.command_id, self.correlation_id
        )


class CommandExecutor:
    """Executes commands, one at a time for each instance."""

    def __init__(
        self,
        store: EventStore,
        codec: Codec,
        instances: AggregateCache,
        rehydrator: Rehydrator,
        snapshots: AggregateSnapshots,
        observer: Observer,
    ) -> None:
        self._append = observed_append(store.append, observer)
        self._encode = codec.encode
        self._instances = instances
        self._rehydrator = rehydrator
        self._snapshots = snapshots

    async def run(self, execution: Execution) -> Dispatched[Any]:
        """Execute a command in its turn."""
        instance = self._instances.get(execution.route.aggregate, execution.stream)
        if instance.busy:
            await instance.acquire()
        else:
            instance.busy = True
        try:
            newest = instance.state is None
            if newest:
                await self._rehydrator.catch_up(instance)
            while True:
                try:
                    done = await self._attempt(execution, instance)
                except WrongExpectedVersion:
                    if execution.expected is not None or execution.retries >= RETRIES:
                        raise
                    await _pause(execution)
                    await self._rehydrator.catch_up(instance)
                except Rejected:
                    if await self._confirm_with_newest_state(instance, newest=newest):
                        raise
                else:
                    if done.position or await self._confirm_with_newest_state(
                        instance, newest=newest
                    ):
                        return done
                newest = True
        finally:
            instance.release()

    async def _confirm_with_newest_state(self, instance: LiveAggregate, *, newest: bool) -> bool:
        """Whether an answer without events, which no version check follows, counts.

        The state may lag behind what another process stored: only one by the newest state does.
        """
        if not newest and await self._rehydrator.catch_up(instance):
            return False
        await self._refuse_deleted(instance)
        return True

    async def _attempt(self, execution: Execution, instance: LiveAggregate) -> Dispatched[Any]:
        route = execution.route
        command = execution.command
        if execution.expected is not None:
            await self._require_version(execution.expected, instance)
        if route.prepare is not None:
            command = await route.prepare(command, instance.state)
        events = tuple(route.execute(instance.state, command))
        if not events:
            return execution.done(instance.version, 0, (), ())
        # Before storing: what an applier refuses must never become a fact.
        undo = _apply(instance, events)
        execution.append_outcome_unknown = True
        try:
            appended = await self._append(
                instance.stream,
                self._new(execution, events),
                expected=instance.version,
                command_id=execution.once,
            )
        except (WrongExpectedVersion, DuplicateCommand):
            execution.append_outcome_unknown = False
            instance.restore(undo)
            raise
        except BaseException:
            instance.forget()
            raise
        instance.version = appended.version
        instance.position = appended.position
        if instance.definition.snapshot_due is not None:
            self._snapshots.consider(instance)
        return execution.done(appended.version, appended.position, events, appended.recorded)

    async def _require_version(self, expected: int, instance: LiveAggregate) -> None:
        if not _meets(expected, instance.version):
            await self._rehydrator.catch_up(instance)
            if not _meets(expected, instance.version):
                await self._refuse_deleted(instance)
                raise _wrong_version(instance.stream, expected, instance.version)

    async def _refuse_deleted(self, instance: LiveAggregate) -> None:
        """Nothing is appended that the store would refuse, so it has to be asked."""
        if not instance.version:
            await self._rehydrator.refuse_deleted(instance.stream)

    def _new(self, execution: Execution, events: Sequence[Event]) -> list[NewEvent]:
        encode = self._encode
        metadata, correlation_id, cause = (
            execution.metadata,
            execution.correlation_id,
            execution.command_id,
        )
        return [
            _new_event(
                (
                    uuid7(),
                    event.__chekov__.name,
                    encode(event),
                    metadata,
                    correlation_id,
                    cause,
                    None,
                )
            )
            for event in events
        ]


def _apply(instance: LiveAggregate, events: Sequence[Event]) -> dict[str, Any] | None:
    undo = instance.fields()
    try:
        instance.apply(events)
    except BaseException as error:
        instance.forget()
        if isinstance(error, KeyError):
            _refuse_foreign(instance.aggregate, events)
        raise
    return undo


async def _pause(execution: Execution) -> None:
    """Wait for who was quicker, from the second time on; spread, so that two lose their step.

    The last waits are long: who has the state at hand stays quicker until it has nothing to do.
    """
    execution.retries += 1
    if execution.retries > 1:
        seconds = _FIRST_PAUSE * _GROWTH ** (execution.retries - 2)
        await asyncio.sleep(seconds * random.uniform(0.5, 1))  # noqa: S311


def _refuse_foreign(aggregate: type[Aggregate], events: Sequence[Event]) -> None:
    kinds = {type(event) for event in events} - definition_of(aggregate).appliers.keys()
    if kinds:
        names = ", ".join(sorted(kind.__qualname__ for kind in kinds))
        fault = f"an executor yielded {names}, which no @apply method of it takes"
        raise DefinitionError(aggregate.__qualname__, [fault]) from None


def _meets(expected: int, version: int) -> bool:
    if expected == Expected.STREAM_EXISTS:
        return version > 0
    return expected in (version, Expected.ANY)


def _wrong_version(stream: str, expected: int, actual: int) -> WrongExpectedVersion:
    words: dict[int, str] = {
        Expected.STREAM_EXISTS: "an existing stream",
        Expected.NO_STREAM: "no stream",
    }
    return WrongExpectedVersion(stream, words.get(expected, expected), actual)
