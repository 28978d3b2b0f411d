from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from chekov.errors import Fenced, StoreClosed, StoreError
from chekov.store.memory import MemoryStore
from chekov.store.memory.documents import is_json
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
        await store.register([KEY])
        [claim] = await store.claim("one", [KEY], lease=5)
        clock.now += timedelta(seconds=4)
        assert not await store.claim("two", [KEY], lease=5)
        clock.now += timedelta(seconds=1)
        assert await store.claim("two", [KEY], lease=5)
        with pytest.raises(Fenced):
            await store.save(claim, 1)


async def test_it_keeps_its_content_while_it_is_closed() -> None:
    store = MemoryStore()
    async with store:
        await store.append("a", [NewEvent(uuid4(), "t", b"{}")])
    with pytest.raises(StoreClosed):
        await store.head()
    async with store:
        assert await store.head() == 1


async def test_what_needs_a_database_says_so(memory_store: MemoryStore) -> None:
    await memory_store.register([KEY])
    [claim] = await memory_store.claim("one", [KEY], lease=5)
    with pytest.raises(StoreError, match=r"chekov\.embedded_postgres"):
        memory_store.transaction(claim, 1)
    with pytest.raises(StoreError, match="Postgres"):
        memory_store.read_connection()
    with pytest.raises(StoreError, match="tables"):
        await memory_store.create_tables("x", "create table t ()")


@pytest.mark.parametrize(
    "document",
    [
        b"{}",
        b'{"a":1e400}',
        b'{"a":"\\ud800\\u0000"}',
        b'{"a":1,"a":2}',
        b'{"a":%s}' % (b"9" * 9999),
    ],
)
def test_whatever_postgres_takes_as_json_is_json(document: bytes) -> None:
    assert is_json(document)


@pytest.mark.parametrize(
    "text", [b"", b"{", b'"\xff"', b'{"a":NaN}', b'{"a":-Infinity}', b"{} {}", b"[" * 100_000]
)
def test_whatever_postgres_refuses_as_json_is_none(text: bytes) -> None:
    assert not is_json(text)
