"""Commands that were executed before: found by the id that their events carry as their cause."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from chekov.domain.event_filter import EventFilter
from chekov.engine.commands.executor import CommandExecutor, Dispatched, Execution
from chekov.errors import (
    CommandIdReused,
    DuplicateCommand,
    HistoryTruncated,
    Rejected,
    StreamDeleted,
    WrongExpectedVersion,
)
from chekov.serialization.codec import Codec, decode_metadata
from chekov.store.port import EventStore, RecordedEvent
from chekov.store.validation import OWN

COMMAND: Final = "$command"
"""In the metadata of an event, the name of the command whose id came from its caller."""

_PAGE: Final = 1000


_REFUSALS: Final = (
    Rejected, WrongExpectedVersion, DuplicateCommand, StreamDeleted, HistoryTruncated,
)  # fmt: skip


class Idempotency:
    """Executes commands whose ids came from their callers, each once.

    A command that is sent again is executed like any other, up to where that fails: its append is
    refused, or the state that it made refuses it. Only then is looked for what it stored before.
    """

    def __init__(self, executor: CommandExecutor, store: EventStore, codec: Codec) -> None:
        self._executor = executor
        self._store = store
        self._codec = codec

    async def run(self, execution: Execution) -> Dispatched[Any]:
        """Execute a command in its turn, or give the answer that it was given before.

        Raises:
            CommandIdReused: what is stored under its id is another command's.
        """
        try:
            done = await self._executor.run(execution)
        except _REFUSALS:
            first = await self._first(execution)
            if first is None:
                raise
            return first
        if done.position:
            return done
        return await self._first(execution) or done

    async def _first(self, execution: Execution) -> Dispatched[Any] | None:
        """The answer of the first execution; `None` when nothing is stored of it."""
        found = await self._recorded(execution.command_id)
        if not found:
            return None
        recorded = [item for item in found if item.stream == execution.stream]
        last = (recorded or found)[-1]
        name = decode_metadata(last.metadata).get(COMMAND)
        if not recorded or name not in (None, execution.route.name):
            raise CommandIdReused(execution.command_id, last.stream, name)
        execution.outcome = "repeated"
        return Dispatched(
            last.stream,
            last.version,
            last.position,
            tuple(self._codec.decode_page(recorded)),
            recorded,
            execution.command_id,
            last.correlation_id or execution.command_id,
            repeated=True,
        )

    async def _recorded(self, command_id: UUID) -> Sequence[RecordedEvent]:
        found: list[RecordedEvent] = []
        after = 0
        wanted = EventFilter(causation=command_id)
        while page := await self._store.read_page(after=after, limit=_PAGE, filter=wanted):
            # Links carry the cause of what they lead to.
            found += [item for item in page if not item.type.startswith(OWN)]
            if len(page) < _PAGE:
                break
            after = page[-1].position
        return found
