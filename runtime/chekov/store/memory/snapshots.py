"""The snapshots of the store in memory."""

from chekov.store.memory.history import History
from chekov.store.port import Snapshot
from chekov.store.validation import check_snapshot


class MemorySnapshots:
    """One snapshot a stream, of streams that can be read."""

    def __init__(self, history: History) -> None:
        self._streams = history
        self._snapshots: dict[str, Snapshot] = {}

    async def snapshot(self, stream: str) -> Snapshot | None:
        """The snapshot of a stream, if there is one."""
        return self._snapshots.get(stream) if self._is_readable(stream) else None

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, unless there is a newer one of its kind."""
        check_snapshot(snapshot)
        found = await self.snapshot(snapshot.stream)
        newer = found and found.kind == snapshot.kind and found.version >= snapshot.version
        ahead = snapshot.version > self._streams.version(snapshot.stream)
        if self._is_readable(snapshot.stream) and not newer and not ahead:
            self._snapshots[snapshot.stream] = snapshot

    async def forget_snapshot(self, stream: str) -> None:
        """Drop the snapshot of a stream, if there is one."""
        self._snapshots.pop(stream, None)

    def _is_readable(self, stream: str) -> bool:
        if self._streams.version(stream) and stream not in self._streams.deleted:
            return True
        self._snapshots.pop(stream, None)
        return False
