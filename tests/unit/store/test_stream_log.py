"""One stream is read on as it grows, from what all read together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from unittest.mock import patch

from chekov.store.memory import MemoryStore
from chekov.store.port import NewEvent
from chekov.store.stream_log import StreamLog
from chekov.uuid7 import uuid7


def new(count: int = 1) -> list[NewEvent]:
    return [NewEvent(uuid7(), "noted", b"{}") for _ in range(count)]


@asynccontextmanager
async def opened(count: int) -> AsyncGenerator[tuple[MemoryStore, StreamLog]]:
    async with MemoryStore() as store:
        await store.append("a-1", new(count))
        yield store, StreamLog(store, await store.streams.info("a-1"))


async def versions(log: StreamLog, version: int) -> list[int]:
    found = await log.after(version)
    assert found.through == (found.events[-1].version if found.events else version)
    return [event.version for event in found.events]


async def test_new_events_are_not_read_from_the_stream_again() -> None:
    async with opened(2) as (store, log):
        assert await versions(log, 0) == [1, 2]
        with patch.object(store, "read_stream", side_effect=AssertionError):
            assert await versions(log, 2) == []
            await store.append("b-1", new())
            assert await versions(log, 2) == []
            await store.append("a-1", new(2))
            assert await versions(log, 2) == [3, 4]
        assert log.position == await store.head()


async def test_what_was_stored_while_a_page_was_read_is_found_once() -> None:
    async with opened(2) as (store, log):
        read = store.read_stream

        async def slow(*arguments: object, **options: object) -> object:
            await store.append("a-1", new())
            page = await read(*arguments, **options)  # type: ignore[arg-type]
            await store.append("a-1", new())
            return page

        with patch.object(store, "read_stream", slow):
            assert await versions(log, 0) == [1, 2, 3]
        assert await versions(log, 3) == [4]
        assert await versions(log, 4) == []


async def test_what_was_discarded_is_read_again() -> None:
    async with opened(2) as (store, log):
        assert await versions(log, 0) == [1, 2]
        await store.append("a-1", new(2))
        assert await versions(log, 2) == [3, 4]
        store.tail.drop()
        assert await versions(log, 3) == [4]
        assert not log.ended


async def test_a_deletion_before_all_was_read_ends_it() -> None:
    async with opened(600) as (store, log):
        first = await versions(log, 0)
        assert len(first) < 600
        await store.streams.delete("a-1")
        assert await versions(log, first[-1]) == []
        assert log.ended


async def test_a_deletion_is_found_last() -> None:
    async with opened(1) as (store, log):
        assert await versions(log, 0) == [1]
        await store.append("a-1", new())
        await store.streams.delete("a-1")
        assert await versions(log, 1) == [2, 3]
        assert log.ended
        assert await versions(log, 3) == []


async def test_another_stream_of_the_name_ends_it() -> None:
    async with opened(1) as (store, log):
        assert await versions(log, 0) == [1]
        await store.streams.delete("a-1", erase=True)
        await store.append("a-1", new(3))
        assert await versions(log, 1) == []
        assert log.ended
