"""The role `snapshots` of a sealing store."""

from chekov.store.port import Snapshot, Snapshots
from chekov.store.sealing.snapshot_sealing import SnapshotSealing


class SealedSnapshots:
    """Seals the snapshots of streams that may hold personal data.

    Args:
        snapshots: stores them.
        sealing: seals and opens one.
    """

    def __init__(self, snapshots: Snapshots, sealing: SnapshotSealing) -> None:
        self._snapshots = snapshots
        self._sealing = sealing
        self.forget = snapshots.forget

    async def load(self, stream: str) -> Snapshot | None:
        """The snapshot of a stream; `None` when there is none that can still be read."""
        snapshot = await self._snapshots.load(stream)
        if snapshot is None or not self._sealing.concerns(stream):
            return snapshot
        opened = await self._sealing.opened(snapshot)
        if opened is None and await self._sealing.is_lost(snapshot):
            # It would keep a new snapshot of its version from being saved.
            await self._snapshots.forget(stream)
        return opened

    async def save(self, snapshot: Snapshot) -> None:
        """Seal and save a snapshot, unless a subject in it was forgotten meanwhile."""
        sealed: Snapshot | None = snapshot
        if self._sealing.concerns(snapshot.stream):
            sealed = await self._sealing.sealed(snapshot)
        if sealed is not None:
            await self._snapshots.save(sealed)
