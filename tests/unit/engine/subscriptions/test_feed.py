import asyncio
from collections.abc import Sequence
from uuid import uuid4

from chekov.engine.observer import Observer
from chekov.engine.subscriptions.feed import Feed
from chekov.store.port import NewEvent, RecordedEvent
from tests.doubles import OwnEvents
from tests.waiting import until


class Halting(OwnEvents):
    """Answers the first page only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    async def changed(self, position: int, wait_for: float) -> Sequence[RecordedEvent]:
        await super().changed(position, wait_for)
        return ()

    async def read_page(self, *, after: int = 0, **conditions: object) -> list[RecordedEvent]:
        page = list(await super().read_page(after=after, **conditions))  # type: ignore[arg-type]
        self.asked.set()
        await self.answer.wait()
        return page


async def test_what_was_read_before_a_drop_is_read_again() -> None:
    """It may show what was forgotten since."""
    async with Halting() as store, asyncio.TaskGroup() as group:
        feed = Feed(store, Observer())
        following = group.create_task(feed.run(group.create_task))
        await feed.started()
        await store.append("a", [NewEvent(uuid4(), "t", b'{"open": 1}')])
        await store.asked.wait()
        await store.streams.delete("a", erase=True)
        feed.drop()
        store.answer.set()
        await until(lambda: feed.head == 2)
        at_hand = feed.after(0, 10)
        assert at_hand is not None
        assert {event.type for event in at_hand} == {"$erased"}
        following.cancel()
