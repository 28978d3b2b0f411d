"""Commands that come again: each run becomes a scheduled command once it is due.

The store adds the runs and moves the recurring command to its next due time at once, and only if it
was not moved meanwhile: so any process may do it, and each run is added once. The id of a run
follows from that of the recurring command and the due time.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, cast
from uuid import UUID, uuid5

from chekov.domain.recurrence import Missed, Recurrence
from chekov.store.port import CommandRun, DueRecurring, RecurringCommand, Schedules

_PAGE: Final = 100

MOST_WAITING: Final = 10
"""Runs of one recurring command that wait to be executed; further ones are scheduled after that.

So a backlog, of runs that take long even, leaves room for everything else that is due.
"""

_log = logging.getLogger(__name__)


class RecurringCommands:
    """Schedules the runs of a domain's recurring commands.

    Args:
        domain: whose commands these are, by its name.
        schedules: of the store.
    """

    def __init__(self, domain: str, schedules: Schedules) -> None:
        self._domain = domain
        self._schedules = schedules

    async def schedule_due(self) -> bool:
        """Schedule runs that are due, about a page; return whether there were any to move.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        known = await self._due()
        share = max(1, _PAGE // len(known)) if known else 0
        for (item, now, waiting), recurrence in known:
            times, next_due = recurrence.runs(item.due, now, min(share, MOST_WAITING - waiting))
            runs = [CommandRun(run_id(item.id, time), item.data, time) for time in times]
            await self._schedules.schedule_runs(self._domain, item, runs, next_due=next_due)
        return bool(known)

    async def _due(self) -> Sequence[tuple[DueRecurring, Recurrence]]:
        """Those that are due and can run here, about a page; none if there are none."""
        limit = _PAGE
        while True:
            page = await self._schedules.due_recurring(
                self._domain, most_waiting=MOST_WAITING, limit=limit
            )
            known: list[tuple[DueRecurring, Recurrence]] = []
            for due in page:
                try:
                    known.append((due, recurrence_of(due.item)))
                except ValueError as error:  # another process knows more time zones
                    about = {"domain": self._domain, "id": str(due.item.id), "error": str(error)}
                    _log.warning("a recurring command cannot run here", extra=about)
            if known or len(page) < limit:
                return known
            # What cannot run here stays due, and must not hide what can.
            limit *= 2


def recurrence_of(item: RecurringCommand) -> Recurrence:
    """When it is due.

    Raises:
        ValueError: its time zone is not known here.
    """
    return Recurrence(item.cron, item.timezone, cast("Missed", item.missed))


def run_id(recurring: UUID, due: datetime) -> UUID:
    """The command id of a run: `uuid5` of its due time, such as `2026-01-31T23:00:00+00:00`."""
    return uuid5(recurring, due.astimezone(UTC).isoformat())
