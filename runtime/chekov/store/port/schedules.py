"""The role of a store that keeps commands for later times."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias
from uuid import UUID

AfterDue: TypeAlias = tuple[datetime, UUID]
"""After which entry a list goes on: its due time and id."""


class ScheduledCommand(NamedTuple):
    """A command that is to be sent at a time."""

    id: UUID
    """Its command id."""
    command: str
    """Its name."""
    data: bytes
    due: datetime
    correlation_id: UUID | None = None
    metadata: bytes | None = None
    """A JSON object."""
    attempts: int = 0
    """How often it was taken to be sent."""
    error: str | None = None
    """Why it was refused; then it is not sent again."""
    recurring: UUID | None = None
    """The recurring command that this is a run of."""
    causation_id: UUID | None = None
    """What it is scheduled for."""


class RecurringCommand(NamedTuple):
    """A command that is to be sent again and again."""

    id: UUID
    command: str
    """Its name."""
    data: bytes
    due: datetime
    """Of its next run."""
    cron: str
    timezone: str
    missed: str
    correlation_id: UUID | None = None
    metadata: bytes | None = None
    """A JSON object."""
    causation_id: UUID | None = None
    """What it is scheduled for."""


class CommandRun(NamedTuple):
    """One run of a recurring command."""

    id: UUID
    """Its command id."""
    data: bytes
    due: datetime


class DueRecurring(NamedTuple):
    """A recurring command that is due."""

    item: RecurringCommand
    now: datetime
    """By the store's clock."""
    waiting: int
    """How many of its runs are scheduled and not executed yet."""


class Schedules(Protocol):
    """Keeps the scheduled and the recurring commands of domains; each has an id.

    Any call may raise `StoreUnavailable` while the database is away and `StoreClosed` after
    closing.
    """

    async def add(self, domain: str, item: ScheduledCommand) -> bool:
        """Keep a command; without effect, and `False`, when there is one of its id.

        Nor has it an effect when one of its id, for the same cause, was cancelled.
        """
        ...

    async def take(
        self, domain: str, *, seconds: float, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """Take commands that are due, the oldest first, so that nobody else takes them meanwhile.

        One that is not removed or refused within `seconds` is due again.
        """
        ...

    async def remove(self, domain: str, id_: UUID) -> bool:
        """Remove a command, which was executed; return whether it was there."""
        ...

    async def cancel(self, domain: str, id_: UUID) -> bool:
        """Remove a scheduled or a recurring command, with the runs of it that were not executed.

        Returns:
            Whether it was there.
        """
        ...

    async def refused(self, domain: str) -> int:
        """How many commands are kept that were refused."""
        ...

    async def refuse(self, domain: str, id_: UUID, error: str) -> None:
        """Keep a command that was refused, with the reason; it is not taken any more.

        Of the runs of a recurring command, the last one that was refused is kept.
        """
        ...

    async def next_due(self, domain: str, *, most_waiting: int) -> float | None:
        """Seconds until the next one of either kind is due, by the store's clock, if there is one.

        It is below 0 for one that is late. Recurring commands are passed over as by
        `due_recurring`.
        """
        ...

    async def list(
        self, domain: str, *, after: AfterDue | None = None, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """The scheduled commands of a domain by due time and id, later than `after`."""
        ...

    async def add_recurring(
        self, domain: str, item: RecurringCommand, *, most: int | None = None
    ) -> bool:
        """Keep a recurring command; see `add`.

        Args:
            domain: that it belongs to.
            item: the command.
            most: how many the domain may have, however many call at the same time.

        Raises:
            TooManyRecurring: the domain has so many others.
        """
        ...

    async def due_recurring(
        self, domain: str, *, most_waiting: int, limit: int = 100
    ) -> Sequence[DueRecurring]:
        """Recurring commands whose next run is due, the oldest first; they stay due.

        Those of which `most_waiting` runs are scheduled and not executed yet are passed over.
        """
        ...

    async def schedule_runs(
        self, domain: str, item: RecurringCommand, runs: Sequence[CommandRun], *, next_due: datetime
    ) -> bool:
        """Schedule runs of a recurring command, and move it to its next due time, at once.

        Without effect, and `False`, when it is gone or was moved meanwhile.
        """
        ...

    async def list_recurring(
        self, domain: str, *, after: AfterDue | None = None, limit: int = 100
    ) -> Sequence[RecurringCommand]:
        """The recurring commands of a domain by due time and id, later than `after`."""
        ...
