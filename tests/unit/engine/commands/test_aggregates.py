"""Live aggregates: loaded as they are and as they were, deleted, erased, evicted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chekov import CacheLimits, Domain, MemoryStore, Runtime, definition_of
from chekov.engine.commands.aggregates import AggregateCache
from chekov.engine.commands.instance_cache import InstanceCache
from chekov.errors import (
    HistoryTruncated,
    InvalidArgument,
    StreamDeleted,
    StreamNotFound,
    WrongExpectedVersion,
)
from tests.unit.engine.counter_domain import Add, AddAtMost, Counter, TooMuch
from tests.unit.engine.snapshot_counter import KeptCounter, SnapshotLog

DAY = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
COMMANDS = (
    Add(counter="a", amount=1),
    Add(counter="a", amount=0),
    AddAtMost(counter="a", amount=1, limit=0),
)


class Clock:
    """Tells what it is set to."""

    def __init__(self) -> None:
        self.now = DAY

    def __call__(self) -> datetime:
        return self.now


def over(
    store: MemoryStore,
    aggregate: type[Counter | KeptCounter] = Counter,
    log: SnapshotLog | None = None,
) -> Runtime:
    domain = Domain("counting", aggregates=[aggregate])
    return Runtime(domain, store=store, subscriptions=False, observers=[log] if log else [])


async def filled(runtime: Runtime, clock: Clock) -> None:
    """Versions 1 to 7 with a total as high, an hour apart."""
    for _ in range(7):
        await runtime.dispatch(Add(counter="a", amount=1))
        clock.now += HOUR


@pytest.mark.parametrize("aggregate", [Counter, KeptCounter])
async def test_an_instance_is_loaded_as_it_was(aggregate: type[Counter | KeptCounter]) -> None:
    clock = Clock()
    async with over(MemoryStore(clock=clock), aggregate) as runtime:
        await filled(runtime, clock)
        for at in range(1, 8):
            for when in (at, DAY + (at - 1) * HOUR, DAY + (at - 0.5) * HOUR):
                loaded = await runtime.load(aggregate, "a", at=when)
                assert (loaded.version, loaded.state.total) == (at, at)
        assert (await runtime.load(aggregate, "a", at=DAY + 99 * HOUR)).version == 7
        assert (await runtime.load(aggregate, "a")).version == 7


async def test_a_snapshot_is_used_for_versions_from_its_own_on() -> None:
    log, clock = SnapshotLog(), Clock()
    store = MemoryStore(clock=clock)
    async with over(store, KeptCounter, log) as runtime:
        await filled(runtime, clock)
    async with over(store, KeptCounter, log) as runtime:
        kept = await store.snapshots.load("counter-a")
        assert kept is not None
        log.outcomes.clear()
        for at in (kept.version - 1, kept.version, 7):
            assert (await runtime.load(KeptCounter, "a", at=at)).state.total == at
        assert log.outcomes == ["used", "used"]


async def test_a_version_or_time_without_a_state_is_refused() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    async with over(store) as runtime:
        with pytest.raises(StreamNotFound):
            await runtime.load(Counter, "a", at=1)
        await filled(runtime, clock)
        for wrong in (-1, 0, 8):
            with pytest.raises(WrongExpectedVersion):
                await runtime.load(Counter, "a", at=wrong)
        with pytest.raises(StreamNotFound):
            await runtime.load(Counter, "a", at=DAY - HOUR)
        with pytest.raises(ValueError, match="zone"):
            await runtime.load(Counter, "a", at=datetime(2024, 1, 1))  # noqa: DTZ001
        await store.streams.truncate("counter-a", before=4)
        for gone in (3, 4):
            with pytest.raises(HistoryTruncated) as caught:
                await runtime.load(Counter, "a", at=gone)
            assert caught.value.first == 4
        await runtime.delete(Counter, "a")
        with pytest.raises(StreamDeleted):
            await runtime.load(Counter, "a", at=1)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("expected", [None, 1])
async def test_a_deleted_instance_takes_no_commands(
    command: Add | AddAtMost, expected: int | None
) -> None:
    store = MemoryStore()
    async with over(store) as stale, over(store) as runtime:
        await stale.dispatch(Add(counter="a", amount=1))
        assert await runtime.delete(Counter, "a") == 2
        assert runtime.instances == 0
        for process in (stale, runtime):
            with pytest.raises(StreamDeleted):
                await process.dispatch(command, expected_version=expected)
            with pytest.raises(StreamDeleted):
                await process.load(Counter, "a")
            with pytest.raises(StreamDeleted):
                await process.delete(Counter, "a")
        with pytest.raises(StreamNotFound):
            await runtime.delete(Counter, "b")


async def test_a_rejection_by_an_instance_without_events_is_a_rejection() -> None:
    async with over(MemoryStore()) as runtime:
        with pytest.raises(TooMuch):
            await runtime.dispatch(AddAtMost(counter="a", amount=1, limit=0))


@pytest.mark.parametrize("further", [1, 2, 3, 4, 5])
async def test_an_erased_instance_begins_anew_everywhere(further: int) -> None:
    store = MemoryStore()
    async with over(store) as stale, over(store) as runtime:
        for _ in range(3):
            await stale.dispatch(Add(counter="a", amount=100))
        await runtime.delete(Counter, "a", erase=True)
        for _ in range(further):
            await runtime.dispatch(Add(counter="a", amount=1))
        loaded = await stale.load(Counter, "a")
        assert (loaded.version, loaded.state.total) == (further, further)
        done = await stale.dispatch(AddAtMost(counter="a", amount=1, limit=6))
        assert done.version == further + 1


async def test_a_deleted_instance_can_be_erased() -> None:
    async with over(MemoryStore()) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await runtime.delete(Counter, "a")
        await runtime.delete(Counter, "a", erase=True)
        assert (await runtime.dispatch(Add(counter="a", amount=1))).version == 1


async def test_an_instance_that_was_never_stored_is_not_found() -> None:
    async with over(MemoryStore()) as runtime:
        with pytest.raises(StreamNotFound):
            await runtime.load(Counter, "a")
        assert runtime.instances == 0


def test_the_least_recently_used_instance_that_is_free_makes_room() -> None:
    rehydrator: Any = None
    instances = InstanceCache(CacheLimits(instances=2), [definition_of(Counter)])
    cache = AggregateCache(MemoryStore(), rehydrator, instances)
    first, second = (cache.get_or_create(Counter, f"counter-{name}") for name in "ab")
    first.busy = True
    third = cache.get_or_create(Counter, "counter-c")
    assert len(cache) == 2
    assert cache.get_or_create(Counter, "counter-a") is first
    assert cache.get_or_create(Counter, "counter-c") is third
    assert cache.get_or_create(Counter, "counter-b") is not second


@pytest.mark.parametrize("at", ["3", 1.0, True, datetime(2024, 1, 1)], ids=repr)  # noqa: DTZ001
async def test_a_moment_that_is_none_is_refused_by_name(at: Any) -> None:
    async with over(MemoryStore()) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        with pytest.raises(InvalidArgument, match=r"expected a version or a time|has no zone"):
            await runtime.load(Counter, "a", at=at)
