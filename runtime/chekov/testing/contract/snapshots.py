"""Contract of the role `snapshots`."""

# ruff: noqa: S101 these are tests, for others to run

from chekov.store.port import Snapshot, Store
from chekov.testing.contract.event_store import event


class SnapshotsContract:
    """Tests of `store.snapshots`."""

    async def test_the_newest_snapshot_is_stored(self, store: Store) -> None:
        """One per stream; a late, older one changes nothing, unless its kind is another."""
        await store.append("a", [event() for _ in range(9)])
        assert await store.snapshots.load("a") is None
        for version, kind in ((5, "k"), (3, "k"), (8, "k"), (7, "k")):
            await store.snapshots.save(Snapshot("a", version, kind, b"\0state"))
        assert await store.snapshots.load("a") == Snapshot("a", 8, "k", b"\0state")
        await store.snapshots.save(Snapshot("a", 6, "other", b"{}"))
        assert await store.snapshots.load("a") == Snapshot("a", 6, "other", b"{}")
        assert await store.snapshots.load("b") is None
        await store.snapshots.forget("a")
        await store.snapshots.forget("a")
        assert await store.snapshots.load("a") is None

    async def test_a_deleted_stream_has_no_snapshot(self, store: Store) -> None:
        """Neither from before nor from a writer that comes late."""
        for erase in (False, True):
            name = f"s-{erase}"
            await store.append(name, [event()])
            await store.snapshots.save(Snapshot(name, 1, "k", b"x"))
            await store.streams.delete(name, erase=erase)
            assert await store.snapshots.load(name) is None
            await store.snapshots.save(Snapshot(name, 1, "k", b"x"))
            assert await store.snapshots.load(name) is None

    async def test_a_stream_that_begins_anew_has_no_snapshot_of_the_erased_one(
        self, store: Store
    ) -> None:
        await store.append("a", [event()])
        await store.snapshots.save(Snapshot("a", 1, "k", b"x"))
        await store.streams.delete("a", erase=True)
        await store.append("a", [event()])
        assert await store.snapshots.load("a") is None
