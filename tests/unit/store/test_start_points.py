"""Where a subscription starts when it is first registered, and that it stays there."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chekov import Context, DefinitionError, EventHandler, MemoryStore, handle
from chekov.store.port import NewEvent
from chekov.store.start_points import start_position
from chekov.uuid7 import uuid7
from tests.unit.engine.counter_domain import Added
from tests.unit.engine.running import running

MORNING = datetime(2026, 3, 1, 8, tzinfo=UTC)


def at(minute: int) -> datetime:
    return MORNING + timedelta(minutes=minute)


@asynccontextmanager
async def filled(minutes: Sequence[int]) -> AsyncGenerator[MemoryStore]:
    """An open store with an event at each of these minutes, whose amount is its position."""
    async with MemoryStore() as store:
        for position, minute in enumerate(minutes, 1):
            data = b'{"amount":%d}' % position
            await store.append(
                f"counter-{position % 3}", [NewEvent(uuid7(), "Added", data, time=at(minute))]
            )
        yield store


def hearing(start: Any, *, partitions: int = 1) -> "tuple[EventHandler, list[int]]":
    heard: list[int] = []

    class Heard(EventHandler, name="heard", start_from=start, partitions=partitions):
        @handle
        async def added(self, event: Added, context: Context) -> None:
            heard.append(event.amount)

    return Heard(), heard


async def add(store: MemoryStore) -> int:
    amount = await store.head() + 1
    await store.append(
        f"counter-{amount % 3}", [NewEvent(uuid7(), "Added", b'{"amount":%d}' % amount)]
    )
    return amount


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ("origin", 1),
        ("now", 5),
        (1, 1),
        (3, 3),
        (5, 5),
        (at(0), 1),
        (at(15), 3),
        (at(20), 3),
        (at(99), 5),
    ],
)
@pytest.mark.parametrize("partitions", [1, 3])
async def test_a_subscription_starts_where_its_class_says(
    start: Any, first: int, partitions: int
) -> None:
    async with filled([0, 10, 20, 30]) as store:
        handler, heard = hearing(start, partitions=partitions)
        async with running(store, handler) as runtime:
            await runtime.wait(await add(store), timeout=240)
        assert sorted(heard) == list(range(first, 6))


async def test_a_restart_does_not_move_the_start() -> None:
    async with filled([0, 10]) as store:
        handler, heard = hearing("now", partitions=2)
        async with running(store, handler):
            assert [row.position for row in await store.subscriptions.list("counting")] == [2, 2]
        await add(store)
        await add(store)
        async with running(store, handler) as runtime:
            await runtime.wait(4, timeout=240)
        assert sorted(heard) == [3, 4]


async def test_a_process_that_comes_later_finds_the_start_of_the_first() -> None:
    async with filled([0, 10]) as store:
        handler, heard = hearing("now", partitions=3)
        async with running(store, handler):
            await add(store)
            other, _ = hearing(1, partitions=3)
            async with running(store, other, node="other") as second:
                await second.wait(3, timeout=240)
            rows = await store.subscriptions.list("counting")
            assert len(rows) == 3
            assert min(row.position for row in rows) >= 2
        assert set(heard) <= {3}


async def test_a_position_beyond_the_log_is_refused_at_first_and_never_again() -> None:
    async with filled([0, 10]) as store:
        handler, _ = hearing(4)
        with pytest.raises(DefinitionError, match="4 is beyond the end of the log, which is pos"):
            async with running(store, handler):
                pass
        earlier, _ = hearing(3)
        async with running(store, earlier):
            pass
        async with running(store, handler):
            pass


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(0, 6))
async def test_a_time_stands_for_an_event_at_or_after_it_that_an_earlier_one_precedes(
    minutes: list[int], minute: int
) -> None:
    async with filled(minutes) as store:
        start = await start_position(store, at(minute), label="Heard")
    assert start == 0 or minutes[start - 1] < minute
    assert start == len(minutes) or minutes[start] >= minute
    if minutes == sorted(minutes):
        assert start == sum(item < minute for item in minutes)
