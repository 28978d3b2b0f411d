"""Idempotency: a command whose sender chose its id is executed once, however often it is sent."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from uuid import UUID

from chekov.domain.event_filter import EventFilter
from chekov.domain.names import OWN
from chekov.engine.commands.aggregates import AggregateCache
from chekov.engine.commands.execution import COMMAND, Dispatched, Execution
from chekov.errors import (
    ChekovError,
    CommandIdReused,
    DuplicateCommand,
    HistoryTruncated,
    Rejected,
    StreamDeleted,
    TooManyConflicts,
    WrongExpectedVersion,
)
from chekov.serialization.codec import Codec, decode_metadata
from chekov.store.port import EventStore, RecordedEvent

_PAGE: Final = 1000

_REFUSALS: Final = (
    Rejected, WrongExpectedVersion, TooManyConflicts, DuplicateCommand, StreamDeleted,
    HistoryTruncated,
)  # fmt: skip


class Idempotency:
    """The last stage before the executor.

    A repeated command is executed like any other until that fails: the store refuses its append,
    or the aggregate refuses it because of what it did the first time. Only then is the first
    answer looked up, by the id that the events carry as their cause: first-time commands pay
    nothing for it.
    """

    def __init__(
        self,
        execute: Callable[[Execution], Awaitable[Dispatched[Any]]],
        aggregates: AggregateCache,
        store: EventStore,
        codec: Codec,
    ) -> None:
        self._execute = execute
        self._load_at = aggregates.load_at
        self._store = store
        self._codec = codec

    def handle(self, execution: Execution) -> Awaitable[Dispatched[Any]]:
        """Execute a command, if it may not be executed twice: only once.

        Raises:
            CommandIdReused: its id is stored with the events of another command.
        """
        return self._once(execution) if execution.envelope.idempotent else self._execute(execution)

    async def _once(self, execution: Execution) -> Dispatched[Any]:
        try:
            dispatched = await self._execute(execution)
        except _REFUSALS:
            first = await self._first(execution)
            if first is None:
                raise
            return first
        if dispatched.position:
            return dispatched
        return await self._first(execution) or dispatched

    async def _first(self, execution: Execution) -> Dispatched[Any] | None:
        """Return the answer of the first execution; `None` when it stored nothing."""
        command_id = execution.envelope.command_id
        found = await self._recorded(command_id)
        if not found:
            return None
        recorded = [item for item in found if item.stream == execution.stream]
        last = (recorded or found)[-1]
        name = decode_metadata(last.metadata).get(COMMAND)
        if not recorded or name not in (None, execution.route.name):
            raise CommandIdReused(command_id, last.stream, name)
        if execution.envelope.with_state:
            await self._load_state(execution, recorded[-1].version)
        return execution.repeated(recorded, tuple(self._codec.decode_page(recorded)))

    async def _load_state(self, execution: Execution, version: int) -> None:
        """Keep for the answer the state that the first execution led to."""
        try:
            loaded = await self._load_at(execution.route.aggregate, execution.stream, version)
        except ChekovError as error:
            # What the repetition led to, if anything, is not what was asked for.
            execution.state, execution.state_error = None, str(error)
        else:
            execution.state = loaded.state

    async def _recorded(self, command_id: UUID) -> Sequence[RecordedEvent]:
        found: list[RecordedEvent] = []
        after = 0
        wanted = EventFilter(causation=command_id)
        while page := await self._store.read_page(after=after, limit=_PAGE, filter=wanted):
            # A link carries the cause of the event that it leads to.
            found += [item for item in page if not item.type.startswith(OWN)]
            if len(page) < _PAGE:
                break
            after = page[-1].position
        return found
