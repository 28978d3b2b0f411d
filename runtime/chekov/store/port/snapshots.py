"""What the engine may keep in a store besides events: the state of aggregates."""

from typing import NamedTuple, Protocol


class Snapshot(NamedTuple):
    """The state that the events of a stream had made by a version."""

    stream: str
    version: int
    kind: str
    """Tells the shape of `data`; what has another kind than is needed is as good as none."""
    data: bytes


class SnapshotStore(Protocol):
    """Keeps one snapshot a stream, as a shortcut: losing it loses nothing."""

    async def snapshot(self, stream: str) -> Snapshot | None:
        """The snapshot of a stream, if there is one."""
        ...

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot; an older one than the one that is there, of the same kind, is dropped.

        So is one of a stream that was deleted, and one that is ahead of its stream: it was made of
        events that were erased.

        Raises:
            StoreError: its kind is no text, or too long.
        """
        ...

    async def forget_snapshot(self, stream: str) -> None:
        """Drop the snapshot of a stream, if there is one."""
        ...
