"""The role `schedules` of a sealing store: the content of scheduled commands is encrypted.

A command may hold any personal data, so it is sealed as a whole, with a key of the domain's
scheduled commands, and deleted when it was executed.
"""

from collections.abc import Sequence
from datetime import datetime

from chekov.store.port import ScheduledCommand, Schedules
from chekov.store.sealing.cipher import Cipher
from chekov.store.sealing.contents import opened, sealed
from chekov.store.sealing.keyring import Keyring


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

    async def add(self, domain: str, item: ScheduledCommand) -> bool:
        """Keep a command, sealed, unless there is one of its id."""
        cipher = await self._cipher(domain)
        data = sealed(cipher, item.data, _bound(item))
        return await self._schedules.add(domain, item._replace(data=data))

    async def take(
        self, domain: str, *, seconds: float, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """Take commands that are due."""
        cipher = await self._cipher(domain)
        found = await self._schedules.take(domain, seconds=seconds, limit=limit)
        return [_opened(cipher, item) for item in found]

    async def list(
        self, domain: str, *, after: datetime | None = None, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """The commands of a domain by time."""
        cipher = await self._cipher(domain)
        found = await self._schedules.list(domain, after=after, limit=limit)
        return [_opened(cipher, item) for item in found]

    async def _cipher(self, domain: str) -> Cipher:
        subject = f"$schedules {domain}"
        return (await self._keyring.of_subjects({subject}))[subject].cipher


def _opened(cipher: Cipher, item: ScheduledCommand) -> ScheduledCommand:
    return item._replace(data=opened(cipher, item.data, _bound(item)))


def _bound(item: ScheduledCommand) -> bytes:
    return f"scheduled {item.id}".encode()
