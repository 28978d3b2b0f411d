"""The role of a store that keeps the encryption keys of personal data, one per subject."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID


class Key(NamedTuple):
    """Encrypts the personal data about one subject."""

    id: UUID
    subject: str
    secret: bytes
    """As stored, which may be wrapped with a master key."""


class Keys(Protocol):
    """Keeps at most one live key per subject, and remembers the ids of deleted ones.

    Any call may raise `StoreUnavailable` while the database is away and `StoreClosed` after
    closing.
    """

    async def live_keys(self, subjects: Collection[str]) -> Mapping[str, Key]:
        """Subject → its key, for the subjects that have one."""
        ...

    async def offer_keys(self, keys: Sequence[Key]) -> None:
        """Store the keys of subjects that have none; ignore the others.

        When several callers offer a key for one subject at once, one wins: `live_keys` returns it.
        """
        ...

    async def keys(self, ids: Collection[UUID]) -> Mapping[UUID, Key | None]:
        """Id → its key, or `None` when that was deleted; unknown ids are left out."""
        ...

    async def forget_keys(self, subjects: Collection[str]) -> Collection[str]:
        """Delete the keys of subjects for good; a later key of theirs is a new one.

        The tags that go with a key (`NewEvent.tag_key`) are deleted with it.

        Returns:
            The subjects that had a key.
        """
        ...

    async def count_forgotten(self) -> int:
        """How many keys were deleted so far, by any process."""
        ...
