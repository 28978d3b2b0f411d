from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from chekov.errors import Fenced, StoreClosed
from chekov.store.memory import MemoryStore
from chekov.store.port import NewEvent, SubscriptionKey

KEY = SubscriptionKey("bank", "mails")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2024, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


async def test_time_is_the_clock_s() -> None:
    clock = Clock()
    async with MemoryStore(clock=clock) as store:
        answer = await store.append("a", [NewEvent(uuid4(), "t", b"{}")])
        assert answer.recorded[0].time == clock.now


async def test_a_lease_ends_by_the_clock() -> None:
    clock = Clock()
    async with MemoryStore(clock=clock) as store:
        await store.subscriptions.register([KEY])
        [claim] = await store.subscriptions.claim("one", [KEY], lease=5)
        clock.now += timedelta(seconds=4)
        assert not await store.subscriptions.claim("two", [KEY], lease=5)
        clock.now += timedelta(seconds=1)
        assert await store.subscriptions.claim("two", [KEY], lease=5)
        with pytest.raises(Fenced):
            await store.subscriptions.save(claim, 1)


async def test_it_keeps_its_content_while_it_is_closed() -> None:
    store = MemoryStore()
    async with store:
        await store.append("a", [NewEvent(uuid4(), "t", b"{}")])
    with pytest.raises(StoreClosed):
        await store.head()
    async with store:
        assert await store.head() == 1


async def test_it_has_no_read_models(memory_store: MemoryStore) -> None:
    assert memory_store.read_models is None
