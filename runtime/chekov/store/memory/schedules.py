"""The role `schedules` in memory."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from chekov.errors import TooManyRecurring
from chekov.store.port import (
    AfterDue,
    CommandRun,
    DueRecurring,
    RecurringCommand,
    ScheduledCommand,
)

S = TypeVar("S", ScheduledCommand, RecurringCommand)


class MemorySchedules:
    """The scheduled and the recurring commands of each domain, by id.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._now = clock
        self._items: dict[tuple[str, UUID], ScheduledCommand] = {}
        self._recurring: dict[tuple[str, UUID], RecurringCommand] = {}
        self._cancelled: set[tuple[str, UUID, UUID]] = set()

    async def add(self, domain: str, item: ScheduledCommand) -> bool:
        """Keep a command, unless there is one of its id."""
        if self._was_cancelled(domain, item):
            return False
        return self._items.setdefault((domain, item.id), item) is item

    async def take(
        self, domain: str, *, seconds: float, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """Take commands that are due."""
        now = self._now()
        due = [
            item for item in _sorted(domain, self._items) if item.error is None and item.due <= now
        ]
        taken = [
            item._replace(due=now + timedelta(seconds=seconds), attempts=item.attempts + 1)
            for item in due[:limit]
        ]
        self._items |= {(domain, item.id): item for item in taken}
        return taken

    async def remove(self, domain: str, id_: UUID) -> bool:
        """Remove a command."""
        return self._items.pop((domain, id_), None) is not None

    async def cancel(self, domain: str, id_: UUID) -> bool:
        """Remove a scheduled or a recurring command, with its runs."""
        for run in [item for item in _sorted(domain, self._items) if item.recurring == id_]:
            del self._items[domain, run.id]
        gone = self._items.pop((domain, id_), None), self._recurring.pop((domain, id_), None)
        for item in gone:
            if item is not None and item.causation_id is not None:
                self._cancelled.add((domain, id_, item.causation_id))
        return any(item is not None for item in gone)

    async def refused(self, domain: str) -> int:
        """How many commands are kept that were refused."""
        return sum(item.error is not None for item in _sorted(domain, self._items))

    async def refuse(self, domain: str, id_: UUID, error: str) -> None:
        """Keep a command that was refused, with the reason."""
        refused = self._items.get((domain, id_))
        if refused is None:
            return
        self._items[domain, id_] = refused._replace(error=error)
        for item in _sorted(domain, self._items):
            of_one = item.recurring is not None and item.recurring == refused.recurring
            if of_one and item.error is not None and item.id != id_:
                del self._items[domain, item.id]

    async def next_due(self, domain: str, *, most_waiting: int) -> float | None:
        """Seconds until the next one of either kind is due."""
        waiting = self._waiting(domain)
        due = [item.due for item in _sorted(domain, self._items) if item.error is None]
        due += [
            item.due for item in _sorted(domain, self._recurring) if waiting[item.id] < most_waiting
        ]
        return (min(due) - self._now()).total_seconds() if due else None

    async def list(
        self, domain: str, *, after: AfterDue | None = None, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """The scheduled commands of a domain by due time and id."""
        return _sorted(domain, self._items, after)[:limit]

    async def add_recurring(
        self, domain: str, item: RecurringCommand, *, most: int | None = None
    ) -> bool:
        """Keep a recurring command, unless there is one of its id."""
        if (domain, item.id) in self._recurring or self._was_cancelled(domain, item):
            return False
        if most is not None and len(_sorted(domain, self._recurring)) >= most:
            raise TooManyRecurring(domain, most)
        self._recurring[domain, item.id] = item
        return True

    async def due_recurring(
        self, domain: str, *, most_waiting: int, limit: int = 100
    ) -> Sequence[DueRecurring]:
        """Recurring commands whose next run is due."""
        now, waiting = self._now(), self._waiting(domain)
        due = [
            DueRecurring(item, now, waiting[item.id])
            for item in _sorted(domain, self._recurring)
            if item.due <= now and waiting[item.id] < most_waiting
        ]
        return due[:limit]

    async def schedule_runs(
        self, domain: str, item: RecurringCommand, runs: Sequence[CommandRun], *, next_due: datetime
    ) -> bool:
        """Schedule runs of a recurring command, and move it."""
        kept = self._recurring.get((domain, item.id))
        if kept is None or kept.due != item.due:
            return False
        self._recurring[domain, item.id] = kept._replace(due=next_due)
        for run in runs:
            scheduled = ScheduledCommand(
                run.id, kept.command, run.data, run.due, kept.correlation_id, kept.metadata,
                recurring=kept.id, causation_id=kept.causation_id,
            )  # fmt: skip
            self._items.setdefault((domain, run.id), scheduled)
        return True

    async def list_recurring(
        self, domain: str, *, after: AfterDue | None = None, limit: int = 100
    ) -> Sequence[RecurringCommand]:
        """The recurring commands of a domain by due time and id."""
        return _sorted(domain, self._recurring, after)[:limit]

    def _waiting(self, domain: str) -> Counter[UUID | None]:
        """Recurring command → how many of its runs are not executed yet."""
        return Counter(
            item.recurring for item in _sorted(domain, self._items) if item.error is None
        )

    def _was_cancelled(self, domain: str, item: ScheduledCommand | RecurringCommand) -> bool:
        return (
            item.causation_id is not None
            and (domain, item.id, item.causation_id) in self._cancelled
        )


def _sorted(
    domain: str, items: Mapping[tuple[str, UUID], S], after: AfterDue | None = None
) -> Sequence[S]:
    found = [item for (name, _), item in items.items() if name == domain]
    if after is not None:
        found = [item for item in found if (item.due, item.id) > after]
    return sorted(found, key=lambda item: (item.due, item.id))
