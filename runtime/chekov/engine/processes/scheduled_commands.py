"""Commands for a later time: any process sends those that are due, each is executed once.

A command that is due is taken for some seconds, and removed when it was executed. A process that
ends meanwhile loses nothing: the command is due again, and its id keeps it from being executed
twice. What became due while no process ran is sent at once.

A recurring command is kept beside them, and each of its runs becomes a scheduled command.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from chekov.backoff import Backoff
from chekov.domain.definitions import definition_of
from chekov.domain.domain import Domain
from chekov.domain.envelope import CommandEnvelope, check_principal
from chekov.domain.messages import Command
from chekov.domain.principal import ANONYMOUS, Principal
from chekov.domain.recurrence import Missed, Recurrence
from chekov.domain.timers import Schedule
from chekov.engine.commands.execution import PRINCIPAL
from chekov.engine.failures import described
from chekov.engine.processes.outbox import REFUSALS
from chekov.engine.processes.recurring_commands import MOST_WAITING, RecurringCommands
from chekov.engine.processes.schedule_control import ScheduleControl
from chekov.engine.subscriptions.sender import Execute
from chekov.errors import InvalidCommand, StoreError, UnknownCommand
from chekov.serialization.codec import Codec, decode_metadata, encode_metadata
from chekov.store.port import RecurringCommand, ScheduledCommand, Schedules
from chekov.uuid7 import uuid7
from chekov.watermark import Watermark

_IN_FLIGHT: Final = 200
"""Commands that one process sends at a time."""

_PASSES: Final = 20
"""How often a command that this process cannot read is left to others, which may be newer."""

_LOOK_SECONDS: Final = 1.0
"""After which the store is asked again: another process may have scheduled something sooner."""

_TAKEN_SECONDS: Final = 15.0
"""After which a command that was neither executed nor refused is due again."""

_log = logging.getLogger(__name__)


class ScheduledCommands:
    """Schedules commands, and sends them when they are due.

    Attributes:
        list, cancel: see `ScheduleControl`.

    Args:
        domain: whose commands these are.
        schedules: of the store.
        codec: encodes and decodes them.
        execute: executes one.
        max_recurring: how many recurring commands the domain may have.
    """

    def __init__(
        self,
        domain: Domain,
        schedules: Schedules,
        codec: Codec,
        execute: Execute,
        *,
        max_recurring: int,
    ) -> None:
        self._domain = domain
        self._max_recurring = max_recurring
        self._schedules = schedules
        self._codec = codec
        self._execute = execute
        self._recurring = RecurringCommands(domain.name, schedules)
        control = ScheduleControl(schedules, domain.name)
        self.list, self.cancel = control.list, control.cancel
        self._added = Watermark()

    async def schedule(
        self,
        command: Command[Any],
        *,
        at: datetime | None = None,
        after: timedelta | None = None,
        cron: str | Recurrence | None = None,
        timezone: str | None = None,
        missed: Missed = "once",
        id: UUID | None = None,  # noqa: A002 the word of the command's author
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        principal: Principal | None = None,
    ) -> UUID:
        """Execute a command at a later time, once, or again and again.

        Args:
            command: what to do.
            at: when, with a zone; a time in the past is now.
            after: how long from now, instead.
            cron: at which times, instead: minute, hour, day of the month, month and day of the
                week, such as `"0 0 1 * *"`; see `Recurrence`, which can be given as well.
            timezone: of `cron`, by its IANA name; UTC by default.
            missed: what happens to runs of `cron` that were due while no process ran: `"once"`
                makes up for all of them by one, `"skip"` for none, and `"all"` for each.
            id: the command's id, by which it can be cancelled; a new one by default. One that is
                scheduled already stays as it is. Each run of `cron` has an id of its own.
            correlation_id: shared by everything that follows from one request.
            causation_id: what the command is scheduled for, such as an event. Once cancelled, it is
                not scheduled for that again.
            metadata: stored with each of its events, as JSON.
            principal: on whose behalf it is scheduled. Its events show the subject; whether the
                domain permits it is not asked.

        Returns:
            The command's id, or that of the recurring command.

        Raises:
            ValueError: not one of `at`, `after` and `cron` is given, or it cannot be used.
            UnknownCommand: no aggregate executes the command.
            TooManyRecurring: the domain has as many recurring commands as it may have.
            InvalidCommand: its content or the metadata is unusable.
            StoreUnavailable: the database does not answer.
        """
        now = datetime.now(UTC)
        recurrence = _recurrence(cron, timezone, missed, at=at, after=after)
        due = recurrence.after(now) if recurrence else Schedule(command, after, at).due(now)
        name = definition_of(type(command)).name
        if self._domain.commands.get(name) is not type(command):
            raise UnknownCommand(name, tuple(self._domain.commands))
        data = self._codec.encode(command)
        self._codec.decode_command(name, data)
        stored = self._stored_metadata(metadata, principal)
        id_ = id or uuid7()
        if recurrence is None:
            item = ScheduledCommand(
                id_, name, data, due, correlation_id, stored, causation_id=causation_id
            )
            await self._schedules.add(self._domain.name, item)
        else:
            recurring = RecurringCommand(
                id_, name, data, due, recurrence.cron, recurrence.timezone, recurrence.missed,
                correlation_id, stored, causation_id,
            )  # fmt: skip
            most = self._max_recurring
            await self._schedules.add_recurring(self._domain.name, recurring, most=most)
        self._added.bump()
        return id_

    def _stored_metadata(
        self, metadata: Mapping[str, Any] | None, principal: Principal | None
    ) -> bytes | None:
        stored = dict(metadata or {})
        if PRINCIPAL in stored:
            raise InvalidCommand(f"the metadata has {PRINCIPAL!r}: pass principal= instead")
        if principal is not None:
            check_principal(principal)
            if principal is not ANONYMOUS and self._domain.record_principal:
                stored[PRINCIPAL] = principal.subject
        return encode_metadata(stored)

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        backoff = Backoff(0.1, 5.0)
        name = self._domain.name
        sending: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                seen = self._added.value
                pause = _LOOK_SECONDS
                try:
                    seconds = await self._schedules.next_due(name, most_waiting=MOST_WAITING)
                    if seconds is not None and seconds > 0:
                        pause = min(pause, seconds)
                    elif seconds is not None:
                        free = _IN_FLIGHT - len(sending)
                        items = await self._schedules.take(name, seconds=_TAKEN_SECONDS, limit=free)
                        for item in items:
                            task = group.create_task(self._send(item))
                            sending.add(task)
                            task.add_done_callback(sending.discard)
                        # Runs are added once nothing else waits, and few of each recurring command
                        # at a time, so a backlog of them does not keep newer commands back.
                        if len(items) == free or await self._recurring.schedule_due() or items:
                            pause = 0  # the next one may be due sooner than in a second
                        while len(sending) > _IN_FLIGHT // 2:
                            await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
                    backoff.reset()
                except StoreError as error:
                    self._report("scheduled commands cannot be read", error)
                    pause = backoff.next()
                await self._added.wait_above(seen, pause)

    async def _send(self, item: ScheduledCommand) -> None:
        name = self._domain.name
        try:
            try:
                command = self._decoded(item)
                if command is None:
                    return
                metadata = decode_metadata(item.metadata)
                await self._execute(
                    CommandEnvelope.of(
                        command,
                        command_id=item.id,
                        correlation_id=item.correlation_id,
                        causation_id=item.causation_id,
                        scheduled_by=metadata.pop(PRINCIPAL, None),
                        metadata=metadata,
                    )
                )
            except REFUSALS as error:
                self._report("a scheduled command was refused", error, item)
                await self._schedules.refuse(name, item.id, described(error))
            else:
                await self._schedules.remove(name, item.id)
        except Exception as error:  # noqa: BLE001 whatever it is, it is sent again
            self._report("a scheduled command is sent again", error, item)
        if item.recurring is not None:
            self._added.bump()  # the next run may wait for this one

    def _decoded(self, item: ScheduledCommand) -> Command[Any] | None:
        """The command; `None` if it is left to a process that may have newer code.

        Raises:
            UnknownCommand: nobody has executed it in all the time.
            InvalidCommand: nobody could read it in all the time.
        """
        try:
            return self._codec.decode_command(item.command, item.data)
        except (UnknownCommand, InvalidCommand) as error:
            if item.attempts > _PASSES:
                raise
            self._report("a scheduled command is left to other processes", error, item)
            return None

    def _report(self, what: str, error: Exception, item: ScheduledCommand | None = None) -> None:
        about = {"domain": self._domain.name, "error": described(error)}
        if item is not None:
            about |= {"command": item.command, "command_id": str(item.id)}
        _log.warning(what, extra=about)


def _recurrence(
    cron: str | Recurrence | None,
    timezone: str | None,
    missed: Missed,
    *,
    at: datetime | None,
    after: timedelta | None,
) -> Recurrence | None:
    if timezone is not None or missed != "once":
        if cron is None:
            raise ValueError("timezone= and missed= are for cron=, which is not given")
        if isinstance(cron, Recurrence):
            raise ValueError("timezone= and missed= are those of the Recurrence, which is given")
    if cron is None:
        return None
    if at is not None or after is not None:
        raise ValueError("give one of at=, after= and cron=, not several")
    return cron if isinstance(cron, Recurrence) else Recurrence(cron, timezone or "UTC", missed)
