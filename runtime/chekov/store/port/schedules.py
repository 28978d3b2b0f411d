"""The role of a store that keeps commands for a later time."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID


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


class Schedules(Protocol):
    """Keeps the scheduled commands of domains; they are told apart by id.

    Any call may raise `StoreUnavailable` while the database is away and `StoreClosed` after
    closing.
    """

    async def add(self, domain: str, item: ScheduledCommand) -> bool:
        """Keep a command; without effect, and `False`, when there is one of its id."""
        ...

    async def take(
        self, domain: str, *, seconds: float, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """Take commands that are due, the oldest first, so that nobody else takes them meanwhile.

        One that is not removed or refused within `seconds` is due again.
        """
        ...

    async def remove(self, domain: str, id_: UUID) -> bool:
        """Remove a command: it was executed, or is not wanted; return whether it was there."""
        ...

    async def refuse(self, domain: str, id_: UUID, error: str) -> None:
        """Keep a command that was refused, with the reason; it is not taken any more."""
        ...

    async def next_due(self, domain: str) -> float | None:
        """Seconds until the next one is due, by the store's clock; `None` when there is none."""
        ...

    async def list(
        self, domain: str, *, after: datetime | None = None, limit: int = 100
    ) -> Sequence[ScheduledCommand]:
        """The commands of a domain by the time when they are due, which is later than `after`."""
        ...
