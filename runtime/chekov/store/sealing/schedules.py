"""The role `schedules` of a sealing store: the content of commands for later is encrypted.

A command may hold any personal data, so it is sealed as a whole, with a key of the domain's
scheduled commands, and deleted when it was executed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from chekov.store.port import (
    AfterDue,
    CommandRun,
    DueRecurring,
    RecurringCommand,
    ScheduledCommand,
    Schedules,
)
from chekov.store.sealing.cipher import Cipher
from chekov.store.sealing.contents import opened, sealed
from chekov.store.sealing.keyring import Keyring

S = TypeVar("S", ScheduledCommand, RecurringCommand, CommandRun)


class SealedSchedules:
    """Seals the content of commands.

    Args:
        schedules: stores them.
        keyring: gives the keys.
    """

    def __init__(self, schedules: Schedules, keyring: Keyring) -> None:
        self._schedules = schedules
        self._keyring = keyring
        self.remove = schedules.remove
        self.refuse = schedules.refuse
        self.next_due = schedules.next_due
        self.cancel = schedules.cancel
        self.refused = schedules.refused

    async def add(self, domain: str, item: ScheduledCommand) -> bool:
        """Keep a command, sealed, unless there is one of its id."""
        return await self._schedules.add(domain, _sealed(await self._cipher(domain), item))

    async def take(
        self, domain: str, *, seconds: float, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """Take commands that are due."""
        cipher = await self._cipher(domain)
        found = await self._schedules.take(domain, seconds=seconds, limit=limit)
        return [_opened(cipher, item) for item in found]

    async def list(
        self, domain: str, *, after: AfterDue | None = None, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """The scheduled commands of a domain by due time and id."""
        cipher = await self._cipher(domain)
        found = await self._schedules.list(domain, after=after, limit=limit)
        return [_opened(cipher, item) for item in found]

    async def add_recurring(
        self, domain: str, item: RecurringCommand, *, most: int | None = None
    ) -> bool:
        """Keep a recurring command, sealed, unless there is one of its id."""
        item = _sealed(await self._cipher(domain), item)
        return await self._schedules.add_recurring(domain, item, most=most)

    async def due_recurring(
        self, domain: str, *, most_waiting: int, limit: int = 100
    ) -> Sequence[DueRecurring]:
        """Recurring commands whose next run is due."""
        cipher = await self._cipher(domain)
        found = await self._schedules.due_recurring(domain, most_waiting=most_waiting, limit=limit)
        return [due._replace(item=_opened(cipher, due.item)) for due in found]

    async def schedule_runs(
        self, domain: str, item: RecurringCommand, runs: Sequence[CommandRun], *, next_due: datetime
    ) -> bool:
        """Schedule runs of a recurring command, each sealed, and move it."""
        cipher = await self._cipher(domain)
        return await self._schedules.schedule_runs(
            domain, item, [_sealed(cipher, run) for run in runs], next_due=next_due
        )

    async def list_recurring(
        self, domain: str, *, after: AfterDue | None = None, limit: int = 100
    ) -> Sequence[RecurringCommand]:
        """The recurring commands of a domain by due time and id."""
        cipher = await self._cipher(domain)
        found = await self._schedules.list_recurring(domain, after=after, limit=limit)
        return [_opened(cipher, item) for item in found]

    async def _cipher(self, domain: str) -> Cipher:
        subject = f"$schedules {domain}"
        return (await self._keyring.of_subjects({subject}))[subject].cipher


def _sealed(cipher: Cipher, item: S) -> S:
    return item._replace(data=sealed(cipher, item.data, _bound(item)))


def _opened(cipher: Cipher, item: S) -> S:
    return item._replace(data=opened(cipher, item.data, _bound(item)))


def _bound(item: ScheduledCommand | RecurringCommand | CommandRun) -> bytes:
    return f"scheduled {item.id}".encode()
