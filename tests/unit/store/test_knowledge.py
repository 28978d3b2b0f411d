from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from chekov.store.port import Expected, RecordedEvent
from chekov.store.postgres.knowledge import Knowledge

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def written(stream: str, version: int, position: int) -> list[RecordedEvent]:
    return [RecordedEvent(position, stream, version, uuid4(), "t", b"{}", None, None, None, NOW)]


async def test_a_lone_writer_knows_what_comes_next() -> None:
    knowledge = Knowledge(lambda: True)
    assert knowledge.head() is None
    assert knowledge.version("a", 1) is None
    knowledge.learn(written("a", 1, 7))
    assert knowledge.head() == 7
    assert knowledge.version("a", 1) == 1
    assert knowledge.version("a", 2) is None
    assert knowledge.version("b", 1) is None


async def test_a_stream_that_nobody_knows_is_new_to_who_expects_none() -> None:
    knowledge = Knowledge(lambda: True)
    knowledge.learn(written("a", 1, 7))
    assert knowledge.version("b", Expected.NO_STREAM) == 0
    assert knowledge.version("a", Expected.NO_STREAM) is None
    knowledge.guess_no_more()
    assert knowledge.version("b", Expected.NO_STREAM) is None
    assert knowledge.version("a", 1) == 1


@pytest.mark.parametrize("expected", [Expected.ANY, Expected.STREAM_EXISTS])
async def test_who_expects_no_version_goes_on_from_the_known_one(expected: Expected) -> None:
    knowledge = Knowledge(lambda: True)
    knowledge.learn(written("a", 3, 7))
    assert knowledge.version("a", expected) == 3
    assert knowledge.version("b", expected) is None


async def test_who_is_not_alone_knows_nothing() -> None:
    knowledge = Knowledge(lambda: False)
    knowledge.learn(written("a", 1, 7))
    assert knowledge.head() is None


async def test_a_doubt_lasts() -> None:
    knowledge = Knowledge(lambda: True)
    knowledge.learn(written("a", 1, 7))
    knowledge.doubt()
    knowledge.learn(written("a", 2, 8))
    assert knowledge.head() is None
    assert knowledge.version("a", 2) is None


async def test_what_was_forgotten_is_learnt_again() -> None:
    knowledge = Knowledge(lambda: True)
    knowledge.learn(written("a", 1, 7))
    knowledge.forget()
    assert knowledge.head() is None
    assert knowledge.version("a", 1) is None
    knowledge.learn(written("a", 2, 9))
    assert knowledge.head() == 9
    assert knowledge.version("a", 2) == 2


async def test_late_news_do_not_turn_the_clock_back() -> None:
    knowledge = Knowledge(lambda: True)
    knowledge.set_clock(NOW)
    knowledge.set_clock(NOW - timedelta(seconds=1))
    now = knowledge.now()
    assert now is not None
    assert now >= NOW
    knowledge.set_clock(NOW + timedelta(hours=1))
    now = knowledge.now()
    assert now is not None
    assert now >= NOW + timedelta(hours=1)


async def test_what_others_store_makes_versions_unknown() -> None:
    knowledge = Knowledge(lambda: True)
    knowledge.learn(written("a", 5, 7))
    knowledge.learn(written("b", 1, 8))
    assert knowledge.version("a", 5) == 5
    knowledge.learn(written("b", 2, 10))
    assert knowledge.version("a", 5) is None
    assert knowledge.version("b", 2) == 2
    knowledge.learn(written("c", 3, 9))
    assert knowledge.version("c", 3) is None
    assert knowledge.head() == 10
