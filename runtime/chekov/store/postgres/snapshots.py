"""The role `snapshots` in Postgres."""

from chekov.store.port import Snapshot
from chekov.store.postgres.connections import Database
from chekov.store.postgres.statements import statements
from chekov.store.validation import HIGHEST, check_snapshot, is_name


class PostgresSnapshots:
    """One row per stream."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = statements("snapshots", database.schema)

    async def load(self, stream: str) -> Snapshot | None:
        """The snapshot of a stream; `None` when there is none."""
        if not is_name(stream):
            return None
        rows = await self._database.fetch(self._statements["snapshot"], stream)
        return Snapshot._make(rows[0]) if rows else None

    async def save(self, snapshot: Snapshot) -> None:
        """Replace the stream's snapshot, unless that is newer and of the same kind."""
        check_snapshot(snapshot)
        if is_name(snapshot.stream) and snapshot.version <= HIGHEST:
            await self._database.fetch(self._statements["save_snapshot"], *snapshot)

    async def forget(self, stream: str) -> None:
        """Remove the snapshot of a stream, if there is one."""
        if is_name(stream):
            await self._database.fetch(self._statements["forget_snapshot"], stream)
