"""The keys of the store in Postgres."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from chekov.store.port import Key
from chekov.store.postgres.connections import Database
from chekov.store.postgres.listener import keys_channel
from chekov.store.postgres.statements import statements
from chekov.store.validation import is_name


class Keys:
    """One row a key; forgetting takes the key out of the row."""

    def __init__(self, database: Database) -> None:
        self._sealing = database
        self._seals = statements("keys", database.schema)
        self._keys_channel = keys_channel(database.schema)

    async def live_keys(self, subjects: Collection[str]) -> Mapping[str, Key]:
        """Subject → its key, of those that have one."""
        names = list(filter(is_name, subjects))
        rows = await self._sealing.fetch(self._seals["live_keys"], names) if names else ()
        return {row["subject"]: Key._make(row) for row in rows}

    async def offer_keys(self, keys: Sequence[Key]) -> None:
        """Keep keys of subjects that have none."""
        if not keys:
            return
        ids, subjects, secrets = zip(*keys, strict=True)
        await self._sealing.fetch(self._seals["offer_keys"], ids, subjects, secrets)

    async def keys(self, ids: Collection[UUID]) -> Mapping[UUID, Key | None]:
        """Id → its key, or `None` when it was taken away."""
        rows = await self._sealing.fetch(self._seals["keys"], list(ids)) if ids else ()
        return {row["id"]: None if row["key"] is None else Key._make(row) for row in rows}

    async def forget_keys(self, subjects: Collection[str]) -> Collection[str]:
        """Take the keys of subjects away for good, and let every process know."""
        live = await self.live_keys(subjects)
        if not live:
            return ()
        ids = [key.id for key in live.values()]
        rows = await self._sealing.fetch(self._seals["forget_keys"], ids, self._keys_channel)
        return [row["subject"] for row in rows]

    async def count_forgotten(self) -> int:
        """How many keys were taken away so far."""
        rows = await self._sealing.fetch(self._seals["forgettings"])
        return rows[0][0]
