"""Hashing the tags whose values are personal: equal values can be found, and not be read."""

import base64
import hashlib
import hmac
from collections.abc import Collection
from typing import Final
from uuid import UUID

from chekov.domain.scope import HASH_MARK, TAG_MARK, Scope
from chekov.store.port import NewEvent, NoneSince
from chekov.store.sealing.keyring import Keyring

TAGS: Final = "$tags"
"""The subject of the key that the hashes of all subjects need, so that they can be compared."""


class TagSealing:
    """Hashes tags of the kinds that are personal.

    Args:
        kinds: these kinds.
        keyring: gives the key.
    """

    def __init__(self, kinds: Collection[str], keyring: Keyring) -> None:
        self._kinds = kinds
        self._keyring = keyring

    async def hashed(self, event: NewEvent, subject_key: UUID) -> NewEvent:
        """An event with its personal tags hashed; they go with the key of its subject."""
        if not self.concerns(event.tags):
            return event
        return event._replace(tags=await self.hashes(event.tags), tag_key=subject_key)

    async def hashes(self, tags: Collection[str]) -> tuple[str, ...]:
        """Tags, those of them hashed that are personal."""
        secret = await self._secret()
        return tuple(self._hash(secret, tag) for tag in tags)

    async def scope(self, scope: Scope) -> Scope:
        """A scope that finds events by their hashed tags."""
        if not any(self.concerns(item.tags) for item in scope.items):
            return scope
        secret = await self._secret()
        return scope.map(
            lambda types: types, lambda tags: frozenset(self._hash(secret, tag) for tag in tags)
        )

    async def condition(self, condition: NoneSince | None) -> NoneSince | None:
        """A condition with such a scope."""
        if condition is None:
            return None
        return condition._replace(scope=await self.scope(condition.scope))

    def concerns(self, tags: Collection[str]) -> bool:
        """Whether one of some tags is personal."""
        return any(_kind(tag) in self._kinds for tag in tags)

    async def _secret(self) -> bytes:
        return (await self._keyring.of_subjects({TAGS}))[TAGS].secret

    def _hash(self, secret: bytes, tag: str) -> str:
        kind = _kind(tag)
        if kind not in self._kinds:
            return tag
        digest = hmac.digest(secret, tag.encode(), hashlib.sha256)
        return f"{kind}{HASH_MARK}{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def _kind(tag: str) -> str:
    return tag.partition(TAG_MARK)[0]
