"""The keys of the store in memory."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from chekov.store.port import Key


class MemoryKeys:
    """One live key a subject."""

    def __init__(self) -> None:
        self._keys: dict[UUID, Key | None] = {}
        self._live: dict[str, Key] = {}
        self._forgettings = 1
        self._heard = asyncio.Event()

    async def live_keys(self, subjects: Collection[str]) -> Mapping[str, Key]:
        """Subject → its key, of those that have one."""
        return {name: self._live[name] for name in subjects if name in self._live}

    async def offer_keys(self, keys: Sequence[Key]) -> None:
        """Keep keys of subjects that have none."""
        for key in keys:
            if self._live.setdefault(key.subject, key) is key:
                self._keys[key.id] = key

    async def keys(self, ids: Collection[UUID]) -> Mapping[UUID, Key | None]:
        """Id → its key, or `None` when it was taken away."""
        return {id_: self._keys[id_] for id_ in ids if id_ in self._keys}

    async def forget_keys(self, subjects: Collection[str]) -> Collection[str]:
        """Take the keys of subjects away for good."""
        gone = [key for name in set(subjects) if (key := self._live.pop(name, None)) is not None]
        for key in gone:
            self._keys[key.id] = None
        if gone:
            self._forgettings += 1
            self._heard.set()
            self._heard = asyncio.Event()
        return [key.subject for key in gone]

    async def forgotten(self, seen: int, wait_for: float) -> int:
        """Wait until keys may have been taken away."""
        if seen and self._forgettings <= seen:
            try:
                async with asyncio.timeout(wait_for):
                    await self._heard.wait()
            except TimeoutError:
                pass
        return self._forgettings
