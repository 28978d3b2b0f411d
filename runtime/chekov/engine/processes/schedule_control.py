"""Scheduled and recurring commands, for people and tools."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from chekov.store.port import AfterDue, Schedules


@dataclass(frozen=True, slots=True)
class ScheduledStatus:
    """A command that is to be sent later, once or again and again.

    Attributes:
        id: its command id, or that of the recurring command.
        command: its name.
        due: when it is sent, or sent again.
        attempts: how often it was sent.
        error: why it was refused; then it is not sent again.
        cron: when a recurring command is due.
        timezone: of `cron`.
        missed: what happens to runs that were due while no process ran.
        recurring: the recurring command that this is a run of.
    """

    id: UUID
    command: str
    due: datetime
    attempts: int = 0
    error: str | None = None
    cron: str | None = None
    timezone: str | None = None
    missed: str | None = None
    recurring: UUID | None = None

    @property
    def cursor(self) -> str:
        """Its place in the list, as `read_cursor` reads it."""
        return f"{self.due.astimezone(UTC).isoformat().replace('+00:00', 'Z')}/{self.id}"


class ScheduleControl:
    """Lists and cancels the scheduled and the recurring commands of a domain.

    Args:
        schedules: of the store.
        domain: whose commands these are, by its name.
    """

    def __init__(self, schedules: Schedules, domain: str) -> None:
        self._schedules = schedules
        self._domain = domain

    async def list(
        self, *, after: AfterDue | None = None, limit: int = 100
    ) -> Sequence[ScheduledStatus]:
        """Scheduled and recurring commands by the time when they are due, and by id.

        Args:
            after: start after the one that is due at this time and has this id.
            limit: return at most so many.
        """
        scheduled = await self._schedules.list(self._domain, after=after, limit=limit)
        recurring = await self._schedules.list_recurring(self._domain, after=after, limit=limit)
        found = [
            ScheduledStatus(
                item.id, item.command, item.due, item.attempts, item.error,
                recurring=item.recurring,
            )
            for item in scheduled
        ]  # fmt: skip
        found += [
            ScheduledStatus(
                item.id, item.command, item.due,
                cron=item.cron, timezone=item.timezone, missed=item.missed,
            )
            for item in recurring
        ]  # fmt: skip
        return sorted(found, key=lambda item: (item.due, item.id))[:limit]

    async def cancel(self, id: UUID) -> bool:  # noqa: A002 the word of the command's author
        """Do not send a scheduled command, or no more of a recurring one.

        One that is being sent just now may be executed nevertheless.

        Returns:
            Whether it was there.
        """
        return await self._schedules.cancel(self._domain, id)


def read_cursor(text: str) -> AfterDue | None:
    """The place in the list that a `cursor` says; `None` if it is empty.

    Raises:
        ValueError: it is not a cursor.
    """
    if not text:
        return None
    due, _, id_ = text.partition("/")
    try:
        time = datetime.fromisoformat(due)
        if time.tzinfo is not None:
            return time.astimezone(UTC), UUID(id_)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{text[:100]!r} is not the `next` of a page")
