"""The role of a store that keeps snapshots of aggregates."""

from typing import NamedTuple, Protocol


class Snapshot(NamedTuple):
    """The state that the events of a stream add up to at a version."""

    stream: str
    version: int
    kind: str
    """Identifies the format of `data`; a snapshot of another kind than expected is ignored."""
    data: bytes


class Snapshots(Protocol):
    """Keeps one snapshot per stream, as a cache: nothing is lost with it."""

    async def load(self, stream: str) -> Snapshot | None:
        """The snapshot of a stream; `None` when there is none."""
        ...

    async def save(self, snapshot: Snapshot) -> None:
        """Replace the stream's snapshot, unless that has the same kind and is not older.

        Ignored, too, are a snapshot of a deleted stream and one that is ahead of its stream, since
        that was made of events that are erased now.

        Raises:
            StoreError: the kind is not text, or too long.
        """
        ...

    async def forget(self, stream: str) -> None:
        """Remove the snapshot of a stream, if there is one."""
        ...
