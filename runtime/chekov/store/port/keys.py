"""What the sealing of personal data needs: a key for each person, which can be taken away."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID


class Key(NamedTuple):
    """What the personal data about somebody is encrypted with."""

    id: UUID
    subject: str
    """About whom."""
    secret: bytes
    """As it is kept, which may be wrapped with a master key."""


class KeyStore(Protocol):
    """Keeps at most one live key a subject, and remembers which ones were taken away.

    Any call may raise `StoreUnavailable` while it is away and `StoreClosed` after closing.
    """

    async def live_keys(self, subjects: Collection[str]) -> Mapping[str, Key]:
        """Subject → its key, of those that have one."""
        ...

    async def offer_keys(self, keys: Sequence[Key]) -> None:
        """Keep keys of subjects that have none; those of others are dropped.

        Of several that offer a key for one subject at once, one wins: look with `live_keys`.
        """
        ...

    async def keys(self, ids: Collection[UUID]) -> Mapping[UUID, Key | None]:
        """Id → its key, or `None` when it was taken away; without those that never were there."""
        ...

    async def forget_keys(self, subjects: Collection[str]) -> Collection[str]:
        """Take the keys of subjects away for good; a later one is another.

        Returns:
            The subjects that had a key.
        """
        ...

    async def forgotten(self, seen: int, wait_for: float) -> int:
        """Wait until keys may have been taken away, here or elsewhere, or for `wait_for` seconds.

        Returns:
            A number above `seen` when some may have been since it was returned; for `seen` 0 the
            number as it is, at once.
        """
        ...
