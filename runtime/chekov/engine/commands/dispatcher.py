"""The door for commands: who may come in, under which ids, for how long, and how it ended."""

import asyncio
from collections.abc import Awaitable, Mapping
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

from chekov.domain.domain import Domain
from chekov.domain.messages import Command, Event
from chekov.engine.commands.aggregates import AggregateCache
from chekov.engine.commands.deadlines import Deadlines
from chekov.engine.commands.executor import CommandExecutor, Dispatched, Execution
from chekov.engine.commands.idempotency import COMMAND, Idempotency
from chekov.engine.commands.rehydration import Rehydrator
from chekov.engine.commands.router import Router
from chekov.engine.commands.snapshots import AggregateSnapshots
from chekov.engine.observer import Observer, Outcome
from chekov.engine.uuid7 import uuid7
from chekov.errors import CommandTimeout, Draining, Overloaded, Rejected, WrongExpectedVersion
from chekov.serialization.codec import Codec, encode_metadata
from chekov.store.port import Store

E = TypeVar("E", bound=Event)


class Dispatcher:
    """Takes commands and sees them through.

    Attributes:
        instances: the live aggregates.
    """

    def __init__(
        self,
        domain: Domain,
        store: Store,
        codec: Codec,
        observer: Observer,
        snapshots: AggregateSnapshots,
        *,
        timeout: float,
        max_in_flight: int,
    ) -> None:
        self._observer = observer
        self._timeout = timeout
        self._max_in_flight = max_in_flight
        self._router = Router(domain)
        rehydrator = Rehydrator(store, codec, observer, snapshots)
        self.instances = AggregateCache(store, rehydrator)
        self._executor = CommandExecutor(
            store.events, codec, self.instances, rehydrator, snapshots, observer
        )
        self._repetitions = Idempotency(self._executor, store.events, codec)
        self._deadlines = Deadlines()
        self._in_flight = 0
        self._idle = asyncio.Event()
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
        once = command_id
        command_id = command_id or uuid7()
        execution = Execution(
            route,
            command,
            route.stream(command),
            command_id,
            correlation_id or command_id,
            self._metadata(metadata, causation_id, None if once is None else route.name),
            expected_version,
            once,
        )
        seconds = self._timeout if timeout is None else timeout
        deadline = self._deadlines.begin(monotonic() + seconds)
        observation = self._observer.command(route.name, execution.stream)
        outcome: Outcome = "failed"
        events = 0
        self._in_flight += 1
        try:
            dispatched = await self._run(execution)
            outcome = execution.outcome
            events = len(dispatched.events)
        except asyncio.CancelledError as error:
            if not deadline.is_cause():
                raise
            outcome = "timeout"
            stored = None if execution.append_outcome_unknown else False
            raise CommandTimeout(route.name, seconds, stored=stored) from error
        except Rejected:
            outcome = "rejected"
            raise
        except WrongExpectedVersion:
            outcome = "conflict"
            raise
        finally:
            self._deadlines.end(deadline)
            self._in_flight -= 1
            if self._draining and not self._in_flight:
                self._idle.set()
            if observation is not None:
                observation.finish(outcome, events=events, retries=execution.retries)
        return dispatched

    async def drain(self) -> None:
        """Refuse further commands and wait for those in flight."""
        self._draining = True
        if self._in_flight:
            await self._idle.wait()

    def _run(self, execution: Execution) -> Awaitable[Dispatched[Any]]:
        if execution.once is None:
            return self._executor.run(execution)
        return self._repetitions.run(execution)

    def _metadata(
        self, metadata: Mapping[str, Any] | None, causation_id: UUID | None, command: str | None
    ) -> bytes | None:
        traceparent = self._observer.traceparent()
        if not metadata and traceparent is None and causation_id is None and command is None:
            return None
        stored = dict(metadata or {})
        if traceparent is not None:
            stored["traceparent"] = traceparent
        if causation_id is not None:
            stored["caused_by"] = str(causation_id)
        if command is not None:
            stored[COMMAND] = command
        return encode_metadata(stored)
