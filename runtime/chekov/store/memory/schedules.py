"""The role `schedules` in memory."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from uuid import UUID

from chekov.store.port import ScheduledCommand


class MemorySchedules:
    """The scheduled commands of each domain, by id.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._now = clock
        self._items: dict[tuple[str, UUID], ScheduledCommand] = {}

    async def add(self, domain: str, item: ScheduledCommand) -> bool:
        """Keep a command, unless there is one of its id."""
        return self._items.setdefault((domain, item.id), item) is item

    async def take(
        self, domain: str, *, seconds: float, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """Take commands that are due."""
        now = self._now()
        due = [item for item in self._of(domain) if item.error is None and item.due <= now]
        taken = [
            item._replace(due=now + timedelta(seconds=seconds), attempts=item.attempts + 1)
            for item in due[:limit]
        ]
        self._items |= {(domain, item.id): item for item in taken}
        return taken

    async def remove(self, domain: str, id_: UUID) -> bool:
        """Remove a command."""
        return self._items.pop((domain, id_), None) is not None

    async def refuse(self, domain: str, id_: UUID, error: str) -> None:
        """Keep a command that was refused, with the reason."""
        item = self._items.get((domain, id_))
        if item is not None:
            self._items[domain, id_] = item._replace(error=error)

    async def next_due(self, domain: str) -> float | None:
        """Seconds until the next one is due."""
        due = [item.due for item in self._of(domain) if item.error is None]
        return (due[0] - self._now()).total_seconds() if due else None

    async def list(
        self, domain: str, *, after: datetime | None = None, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """The commands of a domain by time."""
        return [item for item in self._of(domain) if after is None or item.due > after][:limit]

    def _of(self, domain: str) -> Sequence[ScheduledCommand]:
        found = [item for (name, _), item in self._items.items() if name == domain]
        return sorted(found, key=attrgetter("due"))
