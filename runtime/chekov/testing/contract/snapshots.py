"""What a store must do with snapshots."""

# ruff: noqa: S101 these are tests, for others to run

from chekov.store.port import Snapshot, Store
from chekov.testing.contract.events import event


class SnapshotsContract:
    """Tests of a `SnapshotStore`."""

    async def test_the_newest_snapshot_is_kept(self, store: Store) -> None:
        """One a stream; a late, older one changes nothing, unless its kind is another."""
        await store.append("a", [event() for _ in range(9)])
        assert await store.snapshot("a") is None
        for version, kind in ((5, "k"), (3, "k"), (8, "k"), (7, "k")):
            await store.save_snapshot(Snapshot("a", version, kind, b"\0state"))
        assert await store.snapshot("a") == Snapshot("a", 8, "k", b"\0state")
        await store.save_snapshot(Snapshot("a", 6, "other", b"{}"))
        assert await store.snapshot("a") == Snapshot("a", 6, "other", b"{}")
        assert await store.snapshot("b") is None
        await store.forget_snapshot("a")
        await store.forget_snapshot("a")
        assert await store.snapshot("a") is None

    async def test_a_deleted_stream_has_no_snapshot(self, store: Store) -> None:
        """Neither from before nor from a writer that comes late."""
        for erase in (False, True):
            name = f"s-{erase}"
            await store.append(name, [event()])
            await store.save_snapshot(Snapshot(name, 1, "k", b"x"))
            await store.delete_stream(name, erase=erase)
            assert await store.snapshot(name) is None
            await store.save_snapshot(Snapshot(name, 1, "k", b"x"))
            assert await store.snapshot(name) is None
