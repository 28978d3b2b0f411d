"""A domain over a store, in any program: the composition of store, codec and engine."""

import asyncio
import os
import socket
from collections.abc import Collection, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

from chekov.domain.aggregate import Aggregate
from chekov.domain.domain import Domain
from chekov.domain.envelope import CommandEnvelope, Consistency
from chekov.domain.failure import Retry
from chekov.domain.handler_definition import HandlerSettings
from chekov.domain.loaded import Loaded
from chekov.domain.messages import Command, Event
from chekov.domain.principal import Principal
from chekov.engine.commands.cache_limits import CacheLimits
from chekov.engine.commands.execution import Dispatched
from chekov.engine.engine import Engine
from chekov.engine.observer import Observer, combined, overrides
from chekov.engine.processes.control import ProcessControl
from chekov.engine.services import Services
from chekov.engine.subscriptions.abandoned import AbandonedSubscriptions
from chekov.engine.subscriptions.control import SubscriptionControl
from chekov.engine.subscriptions.parking import MOST_PARKED_KEYS
from chekov.engine.subscriptions.projections import Projections
from chekov.engine.subscriptions.status import SubscriptionStatus
from chekov.errors import StoreClosed
from chekov.serialization.codec import Codec
from chekov.serialization.validation import validate
from chekov.store.open import open_store, seal_store
from chekov.store.port import Store, SubscriptionKey

A = TypeVar("A", bound=Aggregate)
E = TypeVar("E", bound=Event)

DRAIN_SECONDS = 25.0


class Runtime:
    """Executes the commands of a domain and runs its subscriptions, while it is entered.

    It must be entered and left in one task, once. A background task that fails ends the block with
    the task's error in an exception group.

    Attributes:
        domain: what it runs.
        codec: reads and writes the domain's messages.
        engine: the parts it is made of.
        drained: whether it has begun to shut down.
        pause, resume, rewind, parked, parked_groups, retry, discard(ed): see `SubscriptionControl`.
        abandoned: subscriptions that no process has any more, and their removal.
        projections: the read models, with their generations; query, rebuild: see `Projections`.
        processes: the open instances of process managers.
        scheduled, schedule: commands for a later time, see `ScheduledCommands`.
        events, subscribe: stored events, and new ones as they are stored; see `EventReader`.
        decode, decode_all: the event of a stored one, or all that upcasters make; see `Codec`.

    Args:
        domain: what to run.
        store: a Postgres DSN, or a store, which is entered and left with the runtime.
        schema: of a DSN, the database schema that holds the event store.
        node: names this process among those that share the store; host and process id by default.
        observers: each is reported what happens; see `Observer`.
        subscriptions: whether handlers and projections run here.
        migrate: of a DSN, whether to bring its schema up to date; otherwise it is only checked.
        command_timeout: seconds that a command may take, unless it says otherwise.
        max_in_flight: commands accepted at a time, also those that handlers send.
        cache: bounds of the aggregates in memory.
        pool_size: of a DSN, the most database connections for reading and handling.
        lease: seconds after which the subscriptions of a process that died are taken over.
        retry: how often a failing event is tried before it is set aside.
        most_parked_keys: how many keys of a subscription may be parked before it stops.
        max_recurring: how many recurring commands the domain may have.
        handlers: settings of handlers, by their names, in place of what their classes say.
        master_key: file or folder of the master key for personal data; see `seal_store`.
        debug: whether an executor that changes the state is an error; this copies each state.
    """

    def __init__(  # noqa: PLR0913 settings, each by its name
        self,
        domain: Domain,
        *,
        store: str | Store,
        schema: str = "chekov",
        node: str | None = None,
        observers: Sequence[Observer] = (),
        subscriptions: bool = True,
        migrate: bool = True,
        command_timeout: float = 5.0,
        max_in_flight: int = 2000,
        cache: CacheLimits | None = None,
        pool_size: int = 10,
        lease: float = 5.0,
        retry: Retry | None = None,
        most_parked_keys: int = MOST_PARKED_KEYS,
        max_recurring: int = 1000,
        handlers: Mapping[str, HandlerSettings] | None = None,
        master_key: str | Path | None = None,
        debug: bool = False,
    ) -> None:
        validate(domain)
        self._services = Services(domain)
        self.domain = domain = self._services.domain
        self.codec = Codec(domain)
        self.decode, self.decode_all = self.codec.decode, self.codec.decode_all
        self._observer = combined(observers)
        self._store = open_store(store, schema=schema, migrate=migrate, pool_size=pool_size)
        self._unsealed = seal_store(
            self._store,
            domain,
            master_key=master_key,
            on_forgotten=lambda: self.engine.drop(),  # noqa: PLW0108 made below
        )
        self.engine = engine = Engine(
            domain,
            self._unsealed,
            self.codec,
            self._observer,
            node=node or f"{socket.gethostname()}-{os.getpid()}",
            command_timeout=command_timeout,
            max_in_flight=max_in_flight,
            cache=cache or CacheLimits(),
            lease=lease,
            retry=retry or Retry(),
            most_parked_keys=most_parked_keys,
            max_recurring=max_recurring,
            handlers=handlers or {},
            subscriptions=subscriptions,
            debug=debug,
        )
        rows = self._store.subscriptions
        control = SubscriptionControl(self._store, domain.name)
        self.pause, self.resume, self.rewind = control.pause, control.resume, control.rewind
        self.abandoned = AbandonedSubscriptions(self._store, domain.name, domain.handlers)
        self.parked, self.parked_groups = control.parked, control.parked_groups
        self.retry, self.discard, self.discarded = control.retry, control.discard, control.discarded
        self._stream_of = engine.dispatcher.stream_of
        self.processes = ProcessControl(self._unsealed.processes, rows, domain.name)
        self.projections = Projections(domain, self._store, engine.consistency, engine.generations)
        self.query, self.rebuild = self.projections.query, self.projections.rebuild
        self.events, self.subscribe = engine.reader.events, engine.reader.subscribe
        self.scheduled, self.schedule = engine.scheduled, engine.scheduled.schedule
        self._execute, self._aggregates = engine.dispatcher.execute, engine.dispatcher.aggregates
        self._stack: AsyncExitStack | None = None
        self._left = self.drained = False

    async def __aenter__(self) -> Self:
        """Open the store, prepare tables, start subscriptions.

        Raises:
            StoreUnavailable: the database does not answer.
            SchemaMismatch: its schema is not the one this code needs.
            StoreError: projections are to run over a store without tables.
            KeyUnusable: the master key is not the one that wrapped the keys of personal data.
            DefinitionError: the database refuses the tables of a projection.
            LifespanFailed: the services could not be opened, or a handler not be made with them.
            StoreClosed: it was entered before.
        """
        if self._stack is not None or self._left or self.drained:
            raise StoreClosed("this runtime was entered before: make another `Runtime(…)` for each")
        async with AsyncExitStack() as stack:
            if overrides(self._observer, "appended"):
                stack.enter_context(self._store.reporting_commits(self._observer.appended))
            await stack.enter_async_context(self._unsealed)
            await self.engine.prepare()
            await stack.enter_async_context(self._services.running())
            group = await stack.enter_async_context(asyncio.TaskGroup())
            await self.engine.start(group)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drain, then close the store."""
        stack, cancelled = self._stack, isinstance(error, asyncio.CancelledError)
        try:
            if not cancelled:
                await self.drain(DRAIN_SECONDS)
        finally:
            self._stack, self._left = None, True
            await self.engine.halt()
            if stack is not None and cancelled:
                # The group distinguishes its own cancellation, after a task failed, from others.
                await stack.__aexit__(kind, error, traceback)
            elif stack is not None:
                # What the block raised leaves it as it is, not wrapped in the group's.
                await stack.aclose()

    @property
    def store(self) -> Store:
        """The store as it is, open while the runtime is entered: personal data in it is sealed.

        It seals nothing itself: append events with personal fields to `unsealed`.
        """
        return self._store

    @property
    def unsealed(self) -> Store:
        """The same store, which seals personal data that is appended and opens what is read."""
        return self._unsealed

    @property
    def healthy(self) -> bool:
        """Whether it is entered and no background task has ended before its time."""
        return self._stack is not None and self.engine.alive

    @property
    def subscriptions(self) -> Mapping[SubscriptionKey, SubscriptionStatus]:
        """The status of each subscription in this process."""
        return self.engine.subscriptions

    @property
    def instances(self) -> int:
        """How many aggregates this process holds in memory."""
        return len(self._aggregates)

    def dispatch(
        self,
        command: Command[E],
        *,
        command_id: UUID | None = None,
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        principal: Principal | None = None,
        expected_version: int | None = None,
        timeout: float | None = None,
        consistency: Consistency = "eventual",
        consistency_timeout: float = 5.0,
        with_state: bool = False,
    ) -> Coroutine[Any, Any, Dispatched[E]]:
        """Execute a command and store the events it yields.

        Args:
            command: what to do.
            command_id: the id of this command, which its events carry as their cause; a new one by
                default. A command whose id is given is executed once: sent again, it is answered
                with what it stored the first time, as long as that is stored. One that stored
                nothing is executed again.
            correlation_id: shared by what follows from one request; `command_id` by default.
            causation_id: what led to this command; `$caused_by` in the metadata of its events.
            metadata: stored with each of its events, as JSON; keys must not begin with `$`.
            principal: on whose behalf it is sent; `None` for the program itself.
            expected_version: refuse unless the stream is at this version; then never retried.
            timeout: seconds it may take.
            consistency: `"strong"` waits for handlers that are declared so, a list for those named.
            consistency_timeout: seconds to wait for them.
            with_state: return a copy of the state right after the command too.

        Raises:
            Rejected: a business rule refuses; nothing is stored.
            Forbidden: the domain does not permit it to the principal.
            UnknownCommand: no aggregate executes it.
            InvalidCommand: its identifier or metadata is unusable.
            CommandIdReused: the id belongs to another command, or to one on another stream.
            StreamDeleted: the instance was deleted.
            HistoryTruncated: the instance's first events are gone, and no snapshot fits.
            WrongExpectedVersion: the version is not the expected one.
            TooManyConflicts: others changed the stream at every attempt.
            CommandTimeout: it took too long; `stored` says whether it may have been stored.
            ConsistencyTimeout: it is stored, but subscriptions have not handled it yet.
            HandlerFailed: it is stored, but a subscription parked or skipped one of its events.
            InvalidConsistency: `consistency` is neither of these.
            InvalidArgument: another argument has a wrong type.
            UnknownSubscription: it names a subscription that the domain does not have.
            Overloaded: too many commands are in flight.
            Draining: the process is shutting down.
            StoreUnavailable: the database does not answer.
        """
        return self.execute(
            CommandEnvelope.of(
                command,
                command_id=command_id,
                correlation_id=correlation_id,
                causation_id=causation_id,
                metadata=metadata,
                principal=principal,
                expected_version=expected_version,
                timeout=timeout,
                consistency=consistency,
                consistency_timeout=consistency_timeout,
                with_state=with_state,
            )
        )

    def execute(self, envelope: CommandEnvelope[E]) -> Coroutine[Any, Any, Dispatched[E]]:
        """Execute the command in an envelope, as `dispatch` does.

        Raises:
            ChekovError: as `dispatch`.
        """
        if self._stack is None:
            raise StoreClosed("the runtime is not running: use `async with Runtime(…)`")
        if envelope.consistency == "eventual":
            return self._execute(envelope)
        return self._execute_and_wait(envelope)

    async def load(
        self, aggregate: type[A], identifier: object, *, at: int | datetime | None = None
    ) -> Loaded[A]:
        """A copy of an instance's state as it is stored now, or as it was.

        Args:
            aggregate: its class.
            identifier: which instance.
            at: a version that it had; or a time with a zone, for the last version until then.

        Raises:
            StreamNotFound: nothing was stored for it, or nothing until then.
            StreamDeleted: it was deleted.
            WrongExpectedVersion: it has no version `at`.
            HistoryTruncated: its first events are gone, and no snapshot fits.
            Undecodable: one of its events cannot be read.
            UnusableState: a value in its state cannot be copied.
            InvalidArgument: the domain has no such aggregate, the identifier is not of its type or
                cannot name an instance, or `at` is neither a version nor a time with a zone.
        """
        return await self._aggregates.load(aggregate, self._stream_of(aggregate, identifier), at)

    async def wait(
        self, position: int, subscriptions: Collection[str] | None = None, timeout: float = 5.0
    ) -> None:
        """Return when subscriptions, by default all of the domain, have handled a position.

        Raises:
            ConsistencyTimeout: `timeout` seconds passed before.
            HandlerFailed: one of them parked or skipped the event at this position.
            UnknownSubscription: the domain has no subscription of a name.
            InvalidArgument: an argument has a wrong type.
        """
        consistency = self.engine.consistency
        await consistency.wait(position, consistency.named(subscriptions), timeout, first=position)

    async def delete(
        self, aggregate: type[Aggregate], identifier: object, *, erase: bool = False
    ) -> int:
        """Delete an instance: commands to it are refused from then on, and its events stay.

        Args:
            aggregate: its class.
            identifier: which instance.
            erase: remove the content of its events for good. The identifier can be reused, but
                avoid it: a process with the old instance cached mistakes a new stream of equal
                length for it.

        Returns:
            The position of the event that records the deletion.

        Raises:
            StreamNotFound: nothing was stored for it.
            StreamDeleted: it was deleted before; it can still be erased.
        """
        stream = self._stream_of(aggregate, identifier)
        return await self._aggregates.delete(aggregate, stream, erase=erase)

    async def forget(self, subject: str) -> bool:
        """Destroy the key of the personal data about somebody.

        From then on it reads as `FORGOTTEN`, in this process at once; what is stored about them
        later has another key. Copies that projections and handlers made are theirs to remove.

        Args:
            subject: the value of the events' subject fields, or the name of a stream.

        Returns:
            Whether there was anything to forget.
        """
        return bool(await self._unsealed.keys.forget_keys([subject]))

    async def drain(self, timeout: float = DRAIN_SECONDS) -> None:
        """Refuse new commands, stop subscriptions at a checkpoint, finish commands in flight.

        After `timeout` seconds, the rest is cancelled. A second call does nothing.
        """
        if self.drained:
            return
        self.drained = True
        try:
            async with asyncio.timeout(timeout):
                await self.engine.drain()
        except TimeoutError:
            await self.engine.halt()

    async def _execute_and_wait(self, envelope: CommandEnvelope[E]) -> Dispatched[E]:
        consistency = self.engine.consistency
        keys = consistency.keys(envelope.consistency)
        dispatched = await self._execute(envelope)
        if dispatched.events:
            await consistency.wait_for(dispatched.recorded, keys, envelope.consistency_timeout)
        return dispatched
