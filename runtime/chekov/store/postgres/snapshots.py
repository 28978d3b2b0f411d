"""The role `snapshots` in Postgres."""

from chekov.domain.names import is_name
from chekov.store.port import Snapshot
from chekov.store.postgres.schema import Schema
from chekov.store.validation import HIGHEST, check_snapshot


class PostgresSnapshots:
    """One row per stream."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._statements = schema.statements("snapshots")

    async def load(self, stream: str) -> Snapshot | None:
        """The snapshot of a stream; `None` when there is none."""
        if not is_name(stream):
            return None
        rows = await self._schema.fetch(self._statements["snapshot"], stream)
        return Snapshot._make(rows[0]) if rows else None

    async def save(self, snapshot: Snapshot) -> None:
        """Replace the stream's snapshot, unless that is newer and of the same kind."""
        check_snapshot(snapshot)
        if is_name(snapshot.stream) and snapshot.version <= HIGHEST:
            await self._schema.fetch(self._statements["save_snapshot"], *snapshot)

    async def forget(self, stream: str) -> None:
        """Remove the snapshot of a stream, if there is one."""
        if is_name(stream):
            await self._schema.fetch(self._statements["forget_snapshot"], stream)
