"""Commands for a later time: any process sends those that are due, each is executed once.

A command that is due is taken for some seconds, and removed when it was executed. A process that
ends meanwhile loses nothing: the command is due again, and its id keeps it from being executed
twice. What became due while no process ran is sent at once.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from chekov.backoff import Backoff
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.envelope import CommandEnvelope
from chekov.domain.messages import Command
from chekov.domain.timers import Schedule
from chekov.engine.failures import described
from chekov.engine.processes.outbox import REFUSALS
from chekov.engine.subscriptions.invocation import Execute
from chekov.errors import StoreError, UnknownCommand
from chekov.serialization.codec import Codec, decode_metadata, encode_metadata
from chekov.store.port import ScheduledCommand, Schedules
from chekov.uuid7 import uuid7
from chekov.watermark import Watermark

_PAGE: Final = 100
_LOOK_SECONDS: Final = 1.0
"""After which the store is asked again: another process may have scheduled something sooner."""

_TAKEN_SECONDS: Final = 15.0
"""After which a command that was neither executed nor refused is due again."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScheduledStatus:
    """A command that is to be sent later.

    Attributes:
        id: its command id.
        command: its name.
        due: when it is sent, or sent again.
        attempts: how often it was sent.
        error: why it was refused; then it is not sent again.
    """

    id: UUID
    command: str
    due: datetime
    attempts: int
    error: str | None


class ScheduledCommands:
    """Schedules, lists and cancels commands, and sends them when they are due.

    Args:
        domain: whose commands these are.
        schedules: of the store.
        codec: encodes and decodes them.
        execute: executes one.
    """

    def __init__(
        self, domain: Domain, schedules: Schedules, codec: Codec, execute: Execute
    ) -> None:
        self._domain = domain
        self._schedules = schedules
        self._codec = codec
        self._execute = execute
        self._added = Watermark()

    async def schedule(
        self,
        command: Command[Any],
        *,
        at: datetime | None = None,
        after: timedelta | None = None,
        id: UUID | None = None,  # noqa: A002 the word of the command's author
        correlation_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> UUID:
        """Execute a command at a later time, once.

        Args:
            command: what to do.
            at: when, with a zone; a time in the past is now.
            after: how long from now, instead.
            id: the command's id, by which it can be cancelled; a new one by default. One that is
                scheduled already stays as it is.
            correlation_id: shared by everything that follows from one request.
            metadata: stored with each of its events, as JSON.

        Returns:
            The command's id.

        Raises:
            ValueError: not one of `at` and `after` is given, or it is no usable time.
            UnknownCommand: no aggregate executes the command.
            InvalidCommand: its content or the metadata is unusable.
            StoreUnavailable: the database does not answer.
        """
        due = Schedule(command, after=after, at=at).due(datetime.now(UTC))
        name = definition_of(type(command)).name
        if self._domain.commands.get(name) is not type(command):
            raise UnknownCommand(name, tuple(self._domain.commands))
        data = self._codec.encode(command)
        self._codec.decode_command(name, data)
        stored = encode_metadata(metadata or {})
        item = ScheduledCommand(id or uuid7(), name, data, due, correlation_id, stored)
        await self._schedules.add(self._domain.name, item)
        self._added.bump()
        return item.id

    async def cancel(self, id: UUID) -> bool:  # noqa: A002 as above
        """Do not send a scheduled command; return whether it was there.

        One that is being sent just now may be executed nevertheless.
        """
        return await self._schedules.remove(self._domain.name, id)

    async def list(
        self, *, after: datetime | None = None, limit: int = 100
    ) -> Sequence[ScheduledStatus]:
        """Scheduled commands by the time when they are due, which is later than `after`."""
        found = await self._schedules.list(self._domain.name, after=after, limit=limit)
        return [
            ScheduledStatus(item.id, item.command, item.due, item.attempts, item.error)
            for item in found
        ]

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        backoff = Backoff(0.1, 5.0)
        name = self._domain.name
        async with asyncio.TaskGroup() as group:
            while True:
                seen = self._added.value
                pause = _LOOK_SECONDS
                try:
                    seconds = await self._schedules.next_due(name)
                    taken = 0
                    if seconds is not None and seconds <= 0:
                        items = await self._schedules.take(
                            name, seconds=_TAKEN_SECONDS, limit=_PAGE
                        )
                        taken = len(items)
                        for item in items:
                            group.create_task(self._send(item))
                    elif seconds is not None:
                        pause = min(pause, seconds)
                    if taken == _PAGE:
                        pause = 0
                    backoff.reset()
                except StoreError as error:
                    self._report("scheduled commands cannot be read", error)
                    pause = backoff.next()
                await self._added.wait_above(seen, pause)

    async def _send(self, item: ScheduledCommand) -> None:
        name = self._domain.name
        try:
            try:
                envelope = CommandEnvelope.of(
                    self._codec.decode_command(item.command, item.data),
                    command_id=item.id,
                    correlation_id=item.correlation_id,
                    metadata=decode_metadata(item.metadata),
                )
                await self._execute(envelope)
            except REFUSALS as error:
                self._report("a scheduled command was refused", error, item)
                await self._schedules.refuse(name, item.id, described(error))
            else:
                await self._schedules.remove(name, item.id)
        except Exception as error:  # noqa: BLE001 whatever it is, it is sent again
            self._report("a scheduled command is sent again", error, item)

    def _report(self, what: str, error: Exception, item: ScheduledCommand | None = None) -> None:
        about = {"domain": self._domain.name, "error": described(error)}
        if item is not None:
            about |= {"command": item.command, "command_id": str(item.id)}
        _log.warning(what, extra=about)
