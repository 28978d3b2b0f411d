"""A command's way: to its instance, through its executor, into the store."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from chekov.domain.aggregate import Aggregate
from chekov.domain.domain import Domain
from chekov.domain.messages import Command, Event
from chekov.engine.deadlines import Deadlines
from chekov.engine.identifiers import uuid7
from chekov.engine.instances import Instance, Instances
from chekov.engine.observer import Observer, Outcome
from chekov.engine.rollback import restorable
from chekov.engine.router import Route, Router
from chekov.errors import (
    CommandTimeout,
    DefinitionError,
    Draining,
    Overloaded,
    Rejected,
    WrongExpectedVersion,
)
from chekov.store.codec import Codec, encode_metadata
from chekov.store.port import EventStore, Expected, NewEvent, RecordedEvent

E = TypeVar("E", bound=Event)

RETRIES = 10


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
    """

    stream: str
    version: int
    position: int
    events: Sequence[E]
    recorded: Sequence[RecordedEvent]
    command_id: UUID
    correlation_id: UUID


@dataclass(slots=True)
class Execution:
    """One command on its way."""

    route: Route
    command: Command[Any]
    stream: str
    command_id: UUID
    correlation_id: UUID
    metadata: bytes | None
    expected: int | None
    retries: int = 0
    handed_over: bool = False
    """Whether an append is on its way whose outcome is not known."""


class Dispatcher:
    """Executes commands, one at a time for each instance."""

    def __init__(
        self,
        domain: Domain,
        store: EventStore,
        codec: Codec,
        observer: Observer,
        *,
        timeout: float,
        max_in_flight: int,
    ) -> None:
        self._store = store
        self._codec = codec
        self._observer = observer
        self._timeout = timeout
        self._max_in_flight = max_in_flight
        self._router = Router(domain)
        self.instances = Instances(store, codec, observer)
        self._restorable = {item: restorable(item) for item in domain.aggregates}
        self._deadlines = Deadlines()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False

    async def dispatch(
        self,
        command: Command[E],
        *,
        command_id: UUID | None = None,
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
        timeout: float | None = None,
    ) -> Dispatched[E]:
        """Execute one command; see `Runtime.dispatch`."""
        route = self._router[type(command)]
        if self._draining:
            raise Draining("this process is shutting down; send the command again")
        if self._in_flight >= self._max_in_flight:
            raise Overloaded(f"{self._in_flight} commands wait already; try again later")
        command_id = command_id or uuid7()
        execution = Execution(
            route=route,
            command=command,
            stream=route.stream(command),
            command_id=command_id,
            correlation_id=correlation_id or command_id,
            metadata=self._metadata(metadata, causation_id),
            expected=expected_version,
        )
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._timed(execution, self._timeout if timeout is None else timeout)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def drain(self) -> None:
        """Refuse further commands and wait for those in flight."""
        self._draining = True
        await self._idle.wait()

    def _metadata(
        self, metadata: Mapping[str, Any] | None, causation_id: UUID | None
    ) -> bytes | None:
        traceparent = self._observer.traceparent()
        if not metadata and traceparent is None and causation_id is None:
            return None
        stored = dict(metadata or {})
        if traceparent is not None:
            stored["traceparent"] = traceparent
        if causation_id is not None:
            stored["caused_by"] = str(causation_id)
        return encode_metadata(stored)

    async def _timed(self, execution: Execution, timeout: float) -> Dispatched[Any]:
        observation = self._observer.command(execution.route.name, execution.stream)
        outcome: Outcome = "failed"
        events = 0
        try:
            with self._deadlines.within(timeout):
                dispatched = await self._execute(execution)
            outcome = "accepted"
            events = len(dispatched.events)
        except TimeoutError as error:
            if isinstance(error, CommandTimeout):
                raise
            outcome = "timeout"
            stored = None if execution.handed_over else False
            raise CommandTimeout(execution.route.name, timeout, stored=stored) from error
        except Rejected:
            outcome = "rejected"
            raise
        except WrongExpectedVersion:
            outcome = "conflict"
            raise
        else:
            return dispatched
        finally:
            if observation is not None:
                observation.finish(outcome, events=events, retries=execution.retries)

    async def _execute(self, execution: Execution) -> Dispatched[Any]:
        instance = self.instances.get(execution.route.aggregate, execution.stream)
        async with instance.lock:
            current = instance.state is None
            if current:
                await self.instances.refresh(instance)
            while True:
                try:
                    done = await self._attempt(execution, instance)
                except WrongExpectedVersion:
                    if execution.expected is not None or execution.retries >= RETRIES:
                        raise
                    execution.retries += 1
                    await self.instances.refresh(instance)
                    current = True
                    continue
                except Rejected:
                    # The state may lag behind what another process stored: only a refusal by the
                    # newest state counts, since no version check follows it.
                    if current or not await self.instances.refresh(instance):
                        raise
                    current = True
                    continue
                if done.events or current or not await self.instances.refresh(instance):
                    return done
                current = True

    async def _attempt(self, execution: Execution, instance: Instance) -> Dispatched[Any]:
        command = execution.command
        if not _meets(execution.expected, instance.version):
            await self.instances.refresh(instance)
            if not _meets(execution.expected, instance.version):
                raise _wrong_version(instance.stream, execution.expected, instance.version)
        route = execution.route
        if route.prepare is not None:
            command = await route.prepare(command, instance.state)
        events = tuple(route.execute(instance.state, command))
        if not events:
            return self._done(execution, instance.version, 0, (), ())
        undo = self._apply(instance, events)
        execution.handed_over = True
        try:
            appended = await self._store.append(
                instance.stream, self._new(execution, events), expected=instance.version
            )
        except WrongExpectedVersion:
            execution.handed_over = False
            if undo is None:
                instance.forget()
            else:
                vars(instance.state).clear()
                vars(instance.state).update(undo)
            raise
        except BaseException:
            instance.forget()
            raise
        instance.version = appended.version
        return self._done(execution, appended.version, appended.position, events, appended.recorded)

    def _apply(self, instance: Instance, events: Sequence[Event]) -> dict[str, Any] | None:
        """Apply before storing: what an applier refuses must never become a fact."""
        aggregate = instance.aggregate
        undo = dict(vars(instance.state)) if self._restorable[aggregate] else None
        try:
            instance.apply(events)
        except KeyError as error:
            instance.forget()
            _refuse_foreign(aggregate, events)
            raise error from None
        except BaseException:
            instance.forget()
            raise
        return undo

    def _new(self, execution: Execution, events: Sequence[Event]) -> list[NewEvent]:
        encode = self._codec.encode
        return [
            NewEvent(
                uuid7(),
                event.name,
                encode(event),
                execution.metadata,
                execution.correlation_id,
                execution.command_id,
            )
            for event in events
        ]

    def _done(
        self,
        execution: Execution,
        version: int,
        position: int,
        events: Sequence[Event],
        recorded: Sequence[RecordedEvent],
    ) -> Dispatched[Any]:
        return Dispatched(
            execution.stream,
            version,
            position,
            events,
            recorded,
            execution.command_id,
            execution.correlation_id,
        )


def _meets(expected: int | None, version: int) -> bool:
    if expected == Expected.STREAM_EXISTS:
        return version > 0
    return expected is None or expected in (version, Expected.ANY)


def _wrong_version(stream: str, expected: int | None, actual: int) -> WrongExpectedVersion:
    words: dict[int | None, str] = {
        Expected.STREAM_EXISTS: "an existing stream",
        Expected.NO_STREAM: "no stream",
    }
    return WrongExpectedVersion(stream, words.get(expected, expected or 0), actual)


def _refuse_foreign(aggregate: type[Aggregate], events: Sequence[Event]) -> None:
    foreign = [event for event in events if type(event) not in aggregate.appliers]
    if foreign:
        names = ", ".join(sorted({type(event).__qualname__ for event in foreign}))
        raise DefinitionError(
            aggregate.__qualname__,
            [f"an executor yielded {names}, which no @apply method of it takes"],
        )
