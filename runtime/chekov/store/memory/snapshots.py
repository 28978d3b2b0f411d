"""The role `snapshots` in memory."""

from chekov.store.memory.history import History
from chekov.store.port import Snapshot
from chekov.store.validation import check_snapshot


class MemorySnapshots:
    """One snapshot per stream that can be read."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def load(self, stream: str) -> Snapshot | None:
        """The snapshot of a stream; `None` when there is none."""
        return self._history.snapshots.get(stream)

    async def save(self, snapshot: Snapshot) -> None:
        """Replace the stream's snapshot, unless that is newer and of the same kind."""
        check_snapshot(snapshot)
        found = await self.load(snapshot.stream)
        newer = found and found.kind == snapshot.kind and found.version >= snapshot.version
        version = self._history.version(snapshot.stream)
        deleted = snapshot.stream in self._history.deleted
        if version and snapshot.version <= version and not (newer or deleted):
            self._history.snapshots[snapshot.stream] = snapshot

    async def forget(self, stream: str) -> None:
        """Remove the snapshot of a stream, if there is one."""
        self._history.snapshots.pop(stream, None)
