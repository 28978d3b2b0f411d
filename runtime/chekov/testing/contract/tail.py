"""Contract of waiting for changes, and of the tail that holds the newest events."""

# ruff: noqa: S101 these are tests, for others to run

import asyncio
import random

from chekov.store.port import RecordedEvent, Store
from chekov.testing.contract.event_store import event, positions


class TailContract:
    """Tests of `store.wait` and `store.tail`."""

    async def test_waiting_ends_with_the_next_append(self, store: Store) -> None:
        """With its position, which stays the same when time runs out."""
        assert await store.wait("events", 0, 0.01) == 0
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(store.wait("events", 0, 60))
            await asyncio.sleep(0)
            await store.append("a", [event()])
        assert waiting.result() == 1
        assert await store.wait("events", 0, 60) == 1
        assert await store.wait("events", 1, 0.01) == 1

    async def test_the_tail_holds_the_newest_events(self, store: Store) -> None:
        """Until they may no longer be shown."""
        await store.append("a", [event(), event()])
        await store.append("b", [event()])
        assert list(await store.tail.after(0) or ()) == list(await store.read_page())
        assert positions(await store.tail.after(2) or ()) == [3]
        assert await store.tail.after(3) == ()
        seen = store.tail.drops.value
        await store.streams.truncate("a", before=2, erase=True)
        seen = await store.wait("keys", seen, 60)
        assert list(await store.tail.after(0) or ()) == list(await store.read_page())
        await store.streams.delete("a", erase=True)
        await store.wait("keys", seen, 60)
        after = await store.tail.after(0) or ()
        assert list(after) == list(await store.read_page())
        assert [item.stream for item in after] == ["$erased", "$erased", "b", "$erased"]

    async def test_an_erasure_is_announced(self, store: Store) -> None:
        """To all that cache events."""
        await store.append("a", [event(), event(), event()])
        for erasing in (
            store.streams.truncate("a", before=2, erase=True),
            store.streams.delete("a", erase=True),
        ):
            seen = store.tail.drops.value
            await erasing
            assert await store.wait("keys", seen, 60) > seen

    async def test_a_follower_sees_each_event_once_and_in_order(self, store: Store) -> None:
        """While others append; by the tail and by reading."""
        total = 400

        async def write(writer: int) -> None:
            for number in range(total // 8):
                await store.append(f"s-{writer}", [event()], expected=number)
                if random.random() < 0.2:  # noqa: S311 no secret
                    await asyncio.sleep(0)

        async def follow() -> list[RecordedEvent]:
            seen: list[RecordedEvent] = []
            while len(seen) < total:
                await store.wait("events", len(seen), 60)
                page = await store.tail.after(len(seen), limit=50)
                seen += await store.read_page(after=len(seen)) if page is None else page
            return seen

        async with asyncio.TaskGroup() as group:
            following = group.create_task(follow())
            for writer in range(8):
                group.create_task(write(writer))
        assert positions(following.result()) == list(range(1, total + 1))
        assert following.result() == [item async for item in store.read_all()]
