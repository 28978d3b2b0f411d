"""The snapshots of the store in Postgres."""

from chekov.store.port import Snapshot
from chekov.store.postgres.connections import Database
from chekov.store.postgres.statements import statements
from chekov.store.validation import HIGHEST, check_snapshot, is_name


class PostgresSnapshots:
    """One row a stream."""

    def __init__(self, database: Database) -> None:
        self._keeping = database
        self._keeps = statements("snapshots", database.schema)

    async def snapshot(self, stream: str) -> Snapshot | None:
        """The snapshot of a stream, if there is one."""
        if not is_name(stream):
            return None
        rows = await self._keeping.fetch(self._keeps["snapshot"], stream)
        return Snapshot._make(rows[0]) if rows else None

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, unless there is a newer one of its kind."""
        check_snapshot(snapshot)
        if is_name(snapshot.stream) and snapshot.version <= HIGHEST:
            await self._keeping.fetch(self._keeps["save_snapshot"], *snapshot)

    async def forget_snapshot(self, stream: str) -> None:
        """Drop the snapshot of a stream, if there is one."""
        if is_name(stream):
            await self._keeping.fetch(self._keeps["forget_snapshot"], stream)
