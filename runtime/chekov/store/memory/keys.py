"""The role `keys` in memory."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from chekov.store.memory.history import History
from chekov.store.port import Key
from chekov.watermark import Watermark


class MemoryKeys:
    """One live key per subject.

    Args:
        history: loses the tags that go with a deleted key.
        changed: rises when keys were deleted.
    """

    def __init__(self, history: History, changed: Watermark) -> None:
        self._history = history
        self._keys: dict[UUID, Key | None] = {}
        self._live: dict[str, Key] = {}
        self._forgotten = 0
        self._changed = changed

    async def live_keys(self, subjects: Collection[str]) -> Mapping[str, Key]:
        """Subject → its key, for the subjects that have one."""
        return {name: self._live[name] for name in subjects if name in self._live}

    async def offer_keys(self, keys: Sequence[Key]) -> None:
        """Store the keys of subjects that have none."""
        for key in keys:
            if self._live.setdefault(key.subject, key) is key:
                self._keys[key.id] = key

    async def keys(self, ids: Collection[UUID]) -> Mapping[UUID, Key | None]:
        """Id → its key, or `None` when it was deleted."""
        return {id_: self._keys[id_] for id_ in ids if id_ in self._keys}

    async def forget_keys(self, subjects: Collection[str]) -> Collection[str]:
        """Delete the keys of subjects for good."""
        gone = [key for name in set(subjects) if (key := self._live.pop(name, None)) is not None]
        for key in gone:
            self._keys[key.id] = None
        if gone:
            # An append that was under way when somebody was forgotten may have left tags.
            self._history.remove_hashed_tags(
                [id_ for id_, key in self._keys.items() if key is None]
            )
            self._forgotten += len(gone)
            self._changed.bump()
        return [key.subject for key in gone]

    async def count_forgotten(self) -> int:
        """How many keys were deleted so far."""
        return self._forgotten
