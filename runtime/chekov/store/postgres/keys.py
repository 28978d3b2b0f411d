"""The role `keys` in Postgres."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from chekov.domain.names import is_name
from chekov.store.port import Key
from chekov.store.postgres.listener import keys_channel
from chekov.store.postgres.schema import Schema


class PostgresKeys:
    """One row per key; forgetting removes the secret from the row."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._statements = schema.statements("keys")
        self._keys_channel = keys_channel(schema.name)

    async def live_keys(self, subjects: Collection[str]) -> Mapping[str, Key]:
        """Subject → its key, for the subjects that have one."""
        names = list(filter(is_name, subjects))
        rows = await self._schema.fetch(self._statements["live_keys"], names) if names else ()
        return {row["subject"]: Key._make(row) for row in rows}

    async def offer_keys(self, keys: Sequence[Key]) -> None:
        """Store the keys of subjects that have none."""
        if not keys:
            return
        ids, subjects, secrets = zip(*keys, strict=True)
        await self._schema.fetch(self._statements["offer_keys"], ids, subjects, secrets)

    async def keys(self, ids: Collection[UUID]) -> Mapping[UUID, Key | None]:
        """Id → its key, or `None` when it was deleted."""
        rows = await self._schema.fetch(self._statements["keys"], list(ids)) if ids else ()
        return {row["id"]: None if row["key"] is None else Key._make(row) for row in rows}

    async def forget_keys(self, subjects: Collection[str]) -> Collection[str]:
        """Delete the keys of subjects for good, and notify every process."""
        live = await self.live_keys(subjects)
        if not live:
            return ()
        ids = [key.id for key in live.values()]
        rows = await self._schema.fetch(self._statements["forget_keys"], ids, self._keys_channel)
        return [row["subject"] for row in rows]

    async def count_forgotten(self) -> int:
        """How many keys were deleted so far."""
        rows = await self._schema.fetch(self._statements["forgettings"])
        return rows[0][0]
