"""The role `snapshots` in memory."""

from chekov.store.memory.history import History
from chekov.store.port import Snapshot
from chekov.store.validation import check_snapshot


class MemorySnapshots:
    """One snapshot per stream that can be read.

    Args:
        snapshots: by stream; deleting a stream removes its snapshot.
    """

    def __init__(self, history: History, snapshots: dict[str, Snapshot]) -> None:
        self._history = history
        self._snapshots = snapshots

    async def load(self, stream: str) -> Snapshot | None:
        """The snapshot of a stream; `None` when there is none."""
        return self._snapshots.get(stream)

    async def save(self, snapshot: Snapshot) -> None:
        """Replace the stream's snapshot, unless that is newer and of the same kind."""
        check_snapshot(snapshot)
        found = await self.load(snapshot.stream)
        newer = found and found.kind == snapshot.kind and found.version >= snapshot.version
        ahead = snapshot.version > self._history.version(snapshot.stream)
        if self._is_readable(snapshot.stream) and not newer and not ahead:
            self._snapshots[snapshot.stream] = snapshot

    async def forget(self, stream: str) -> None:
        """Remove the snapshot of a stream, if there is one."""
        self._snapshots.pop(stream, None)

    def _is_readable(self, stream: str) -> bool:
        return self._history.version(stream) > 0 and stream not in self._history.deleted
