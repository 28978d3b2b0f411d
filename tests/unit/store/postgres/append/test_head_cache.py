from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from chekov.store.port import Expected, RecordedEvent
from chekov.store.postgres.append.head_cache import HeadCache

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def written(stream: str, version: int, position: int) -> list[RecordedEvent]:
    return [RecordedEvent(position, stream, version, uuid4(), "t", b"{}", None, None, None, NOW)]


async def test_a_lone_writer_knows_what_comes_next() -> None:
    head_cache = HeadCache(lambda: 0)
    assert head_cache.head() is None
    assert head_cache.version("a", 1) is None
    head_cache.learn(written("a", 1, 7))
    assert head_cache.head() == 7
    assert head_cache.version("a", 1) == 1
    assert head_cache.version("a", 2) is None
    assert head_cache.version("b", 1) is None


async def test_an_unknown_stream_is_assumed_to_be_new_if_none_is_expected() -> None:
    head_cache = HeadCache(lambda: 0)
    head_cache.learn(written("a", 1, 7))
    assert head_cache.version("b", Expected.NO_STREAM) == 0
    assert head_cache.version("a", Expected.NO_STREAM) is None
    head_cache.stop_assuming_new_streams()
    assert head_cache.version("b", Expected.NO_STREAM) is None
    assert head_cache.version("a", 1) == 1


@pytest.mark.parametrize("expected", [Expected.ANY, Expected.STREAM_EXISTS])
async def test_without_an_expected_version_the_known_one_is_continued(expected: Expected) -> None:
    head_cache = HeadCache(lambda: 0)
    head_cache.learn(written("a", 3, 7))
    assert head_cache.version("a", expected) == 3
    assert head_cache.version("b", expected) is None


async def test_the_head_is_unknown_once_there_is_news_of_others() -> None:
    newest = 7
    head_cache = HeadCache(lambda: newest)
    head_cache.learn(written("a", 1, 7))
    assert head_cache.head() == 7
    newest = 8
    assert head_cache.head() is None
    head_cache.learn(written("a", 2, 9))
    assert head_cache.head() == 9


async def test_a_doubt_lasts() -> None:
    head_cache = HeadCache(lambda: 0)
    head_cache.learn(written("a", 1, 7))
    head_cache.invalidate()
    head_cache.learn(written("a", 2, 8))
    assert head_cache.head() is None
    assert head_cache.version("a", 2) is None


async def test_what_was_forgotten_is_learnt_again() -> None:
    head_cache = HeadCache(lambda: 0)
    head_cache.learn(written("a", 1, 7))
    head_cache.clear()
    assert head_cache.head() is None
    assert head_cache.version("a", 1) is None
    head_cache.learn(written("a", 2, 9))
    assert head_cache.head() == 9
    assert head_cache.version("a", 2) == 2


async def test_late_news_do_not_turn_the_clock_back() -> None:
    head_cache = HeadCache(lambda: 0)
    head_cache.set_clock(NOW)
    head_cache.set_clock(NOW - timedelta(seconds=1))
    now = head_cache.now()
    assert now is not None
    assert now >= NOW
    head_cache.set_clock(NOW + timedelta(hours=1))
    now = head_cache.now()
    assert now is not None
    assert now >= NOW + timedelta(hours=1)


async def test_what_others_store_makes_versions_unknown() -> None:
    head_cache = HeadCache(lambda: 0)
    head_cache.learn(written("a", 5, 7))
    head_cache.learn(written("b", 1, 8))
    assert head_cache.version("a", 5) == 5
    head_cache.learn(written("b", 2, 10))
    assert head_cache.version("a", 5) is None
    assert head_cache.version("b", 2) == 2
    head_cache.learn(written("c", 3, 9))
    assert head_cache.version("c", 3) is None
    assert head_cache.head() == 10
