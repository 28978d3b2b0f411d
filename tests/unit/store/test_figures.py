"""Durations are counted in buckets, and figures are kept for a while after their process ended."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chekov.store.memory import MemoryStore
from chekov.store.port import CommandFigures
from chekov.store.port.figures import BUCKETS, begin_of, bucket_of


@given(st.floats(0, 1e9))
def test_a_bucket_holds_what_is_between_its_bounds(seconds: float) -> None:
    bucket = bucket_of(seconds)
    assert 0 <= bucket < BUCKETS
    assert begin_of(bucket) <= seconds
    assert bucket == BUCKETS - 1 or seconds < begin_of(bucket + 1)


def test_four_buckets_double_a_duration() -> None:
    assert bucket_of(0.008) - bucket_of(0.004) == 4
    assert 60 < begin_of(BUCKETS - 1) < 120


async def test_ended_processes_are_forgotten_after_ten_minutes() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    store = MemoryStore(clock=lambda: now)
    old, new = (CommandFigures(name, "bank", "r1", 1, 0, [1]) for name in ("a", "b"))
    await store.figures.report(old)
    now += timedelta(minutes=9)
    await store.figures.report(new)
    assert list(await store.figures.list()) == [old, new]
    now += timedelta(minutes=2)
    await store.figures.report(new)
    assert list(await store.figures.list()) == [new]
