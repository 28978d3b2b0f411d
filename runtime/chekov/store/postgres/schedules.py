"""The role `schedules` in Postgres."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chekov.errors import TooManyRecurring
from chekov.store.port import (
    AfterDue,
    CommandRun,
    DueRecurring,
    RecurringCommand,
    ScheduledCommand,
)
from chekov.store.postgres.schema import Schema
from chekov.store.postgres.subscriptions import storable_text


class PostgresSchedules:
    """One row per scheduled command, and one per recurring command."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._statements = schema.statements("schedules")

    async def add(self, domain: str, item: ScheduledCommand) -> bool:
        """Keep a command, unless there is one of its id."""
        return bool(await self._fetch("add", domain, *item[:6], item.causation_id))

    async def take(
        self, domain: str, *, seconds: float, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """Take commands that are due; what others are taking just now is passed over."""
        return _items(await self._fetch("take", domain, seconds, limit))

    async def remove(self, domain: str, id_: UUID) -> bool:
        """Remove a command."""
        return bool(await self._fetch("remove", domain, id_))

    async def cancel(self, domain: str, id_: UUID) -> bool:
        """Remove a scheduled or a recurring command, with its runs."""
        async with self._schema.lent() as connection:
            await connection.execute(self._statements["lock_recurring"], domain, id_)
            return bool(await connection.fetch(self._statements["cancel"], domain, id_))

    async def refused(self, domain: str) -> int:
        """How many commands are kept that were refused."""
        return (await self._fetch("refused", domain))[0][0]

    async def refuse(self, domain: str, id_: UUID, error: str) -> None:
        """Keep a command that was refused, with the reason."""
        await self._fetch("refuse", domain, id_, storable_text(error))

    async def next_due(self, domain: str, *, most_waiting: int) -> float | None:
        """Seconds until the next one of either kind is due, by the clock of the database."""
        rows = await self._fetch("next_due", domain, most_waiting)
        return rows[0][0] if rows else None

    async def list(
        self, domain: str, *, after: AfterDue | None = None, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """The scheduled commands of a domain by due time and id."""
        return _items(await self._fetch("list", domain, *(after or (None, None)), limit))

    async def add_recurring(
        self, domain: str, item: RecurringCommand, *, most: int | None = None
    ) -> bool:
        """Keep a recurring command, unless there is one of its id; callers take turns."""
        [(added, full)] = await self._fetch("add_recurring", domain, *item, most)
        if full and most is not None:
            raise TooManyRecurring(domain, most)
        return added

    async def due_recurring(
        self, domain: str, *, most_waiting: int, limit: int = 100
    ) -> Sequence[DueRecurring]:
        """Recurring commands whose next run is due."""
        rows = await self._fetch("due_recurring", domain, most_waiting, limit)
        return [
            DueRecurring(RecurringCommand._make(item), now, waiting) for now, waiting, *item in rows
        ]

    async def schedule_runs(
        self, domain: str, item: RecurringCommand, runs: Sequence[CommandRun], *, next_due: datetime
    ) -> bool:
        """Schedule runs of a recurring command, and move it; one statement does both."""
        columns = [[run[column] for run in runs] for column in range(len(CommandRun._fields))]
        return bool(
            await self._fetch("schedule_runs", domain, item.id, item.due, next_due, *columns)
        )

    async def list_recurring(
        self, domain: str, *, after: AfterDue | None = None, limit: int = 100
    ) -> Sequence[RecurringCommand]:
        """The recurring commands of a domain by due time and id."""
        rows = await self._fetch("list_recurring", domain, *(after or (None, None)), limit)
        return [RecurringCommand._make(row) for row in rows]

    async def _fetch(self, statement: str, *values: object) -> Sequence[Any]:
        return await self._schema.fetch(self._statements[statement], *values)


def _items(rows: Sequence[Any]) -> Sequence[ScheduledCommand]:
    return [ScheduledCommand._make(row) for row in rows]
