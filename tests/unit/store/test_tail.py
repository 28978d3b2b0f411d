"""The newest events are read once for everybody, without gaps, and never shown after a drop."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from chekov.errors import StoreUnavailable
from chekov.store.port import RecordedEvent
from chekov.store.tail import REACH, Tail

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def event(position: int, data: bytes = b"{}") -> RecordedEvent:
    return RecordedEvent(
        position, "s", position, UUID(int=position), "t", data, None, None, None, NOW
    )


def events(first: int, last: int) -> list[RecordedEvent]:
    return [event(position) for position in range(first, last + 1)]


def positions(found: Sequence[RecordedEvent] | None) -> list[int] | None:
    return None if found is None else [item.position for item in found]


class Log:
    """What is stored, and how often it was read."""

    def __init__(self, head: int = 0, *, size: int = 2) -> None:
        self.head = head
        self.data = b"x" * size
        self.reads: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.errors: list[Exception] = []

    async def read(self, position: int, limit: int) -> Sequence[RecordedEvent]:
        self.reads.append(position)
        last = min(self.head, position + limit)
        page = [event(item, self.data) for item in range(position + 1, last + 1)]
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop()
        return page


async def test_what_is_pushed_is_at_hand_at_once() -> None:
    log = Log()
    tail = Tail(log.read)
    tail.push(events(1, 3))
    assert positions(tail.cached(1)) == [2, 3]
    assert positions(await tail.after(0, limit=2)) == [1, 2]
    assert (tail.cached(3), tail.head.value) == ((), 3)
    assert log.reads == []


async def test_what_is_heard_of_is_read_once_for_all_readers() -> None:
    log = Log(10)
    tail = Tail(log.read)
    tail.heard(10)
    log.gate.clear()
    readers = [asyncio.create_task(tail.after(position)) for position in (7, 7, 7, 8)]
    await asyncio.sleep(0)
    log.gate.set()
    found = await asyncio.gather(*readers)
    assert [positions(item) for item in found] == [[8, 9, 10]] * 3 + [[9, 10]]
    assert log.reads == [7]
    assert positions(await tail.after(9)) == [10]
    assert log.reads == [7]


async def test_a_reader_far_below_the_head_is_sent_to_pages() -> None:
    log = Log(5000)
    tail = Tail(log.read)
    tail.heard(5000)
    assert await tail.after(5000 - REACH - 1) is None
    assert positions(await tail.after(5000 - REACH, limit=1)) != []
    assert len(log.reads) == 1


async def test_events_of_this_process_and_of_others_form_one_run() -> None:
    log = Log(9)
    tail = Tail(log.read)
    tail.push(events(1, 3))
    tail.push(events(6, 7))  # 4 and 5 are another process's
    assert tail.cached(3) is None
    assert positions(await tail.after(3)) == [4, 5, 6, 7, 8, 9]
    assert positions(tail.cached(3)) == [4, 5, 6, 7, 8, 9]
    tail.push(events(10, 10))
    assert positions(tail.cached(3)) == [4, 5, 6, 7, 8, 9, 10]
    assert positions(await tail.after(0, limit=9)) == list(range(1, 10))
    assert positions(tail.cached(0)) == list(range(1, 11))
    assert log.reads == [3, 0]


async def test_what_was_pushed_out_of_order_is_put_in_order() -> None:
    tail = Tail(Log().read)
    tail.push(events(4, 6))
    tail.push(events(1, 3))
    assert positions(tail.cached(0)) == [1, 2, 3, 4, 5, 6]
    tail.push(events(2, 5))
    assert positions(tail.cached(0)) == [1, 2, 3, 4, 5, 6]


async def test_a_gap_is_never_cached() -> None:
    """History with a hole is passed on as it is, and each reader sees the hole."""
    holed = [event(1), event(3)]

    async def read(position: int, limit: int) -> Sequence[RecordedEvent]:
        return [item for item in holed if item.position > position]

    tail = Tail(read)
    tail.heard(3)
    assert positions(await tail.after(0)) == [1, 3]
    assert tail.cached(0) is None


async def test_memory_is_bounded_by_number_and_by_bytes() -> None:
    for size, most in ((2, 2 * 4096), (1_000_000, 32)):
        log = Log(20_000, size=size)
        tail = Tail(log.read)
        position = 0
        for head in range(100, 20_001, 100):
            tail.heard(head)
            log.head = head
            while found := await tail.after(position):
                position = found[-1].position
            run = tail.cached(position - 1)
            assert run is not None
            if size > 2 and head == 1000:
                break
        oldest = next(item for item in range(position + 1) if tail.cached(item, 1))
        assert position - oldest <= most


async def test_after_a_drop_everything_is_read_again() -> None:
    log = Log(5)
    tail = Tail(log.read)
    tail.push(events(1, 5))
    tail.drop()
    assert tail.cached(2) is None
    assert tail.cached(5) == ()
    assert positions(await tail.after(2)) == [3, 4, 5]
    assert log.reads == [2]


async def test_what_was_read_before_a_drop_is_read_again() -> None:
    log = Log(1, size=1)
    tail = Tail(log.read)
    tail.heard(1)
    log.gate.clear()
    reader = asyncio.create_task(tail.after(0))
    await asyncio.sleep(0)
    tail.drop()
    log.data = b"erased"
    log.gate.set()
    assert [item.data for item in await reader or ()] == [b"erased"]
    assert log.reads == [0, 0]
    assert [item.data for item in tail.cached(0) or ()] == [b"erased"]


async def test_what_was_sent_before_a_drop_is_not_cached() -> None:
    """Nor given to followers, if it is of others: they read it, as it is by then."""
    tail = Tail(Log(6).read)
    follower = Following(None)
    before = tail.drops.value
    with tail.followed_by(follower):
        tail.push(events(1, 1), before)
        assert positions(tail.cached(0)) == [1]
        tail.drop()
        tail.learn(events(2, 3), before)
        tail.push(events(4, 4), before)
        assert tail.newest is None
        assert (tail.head.value, tail.others.value) == (4, 3)
        tail.learn(events(5, 5), tail.drops.value)
        tail.push(events(6, 6), tail.drops.value)
    assert positions(tail.cached(4)) == [5, 6]
    assert follower.given == [("pushed", [1]), ("pushed", [4]), ("learned", [5]), ("pushed", [6])]
    assert positions(await tail.after(0)) == [1, 2, 3, 4, 5, 6]


async def test_a_drop_holds_for_every_tail_that_shares_it() -> None:
    """As that of a store that opens what another one holds sealed."""
    inner = Tail(Log(2).read)
    inner.push(events(1, 2))
    outer = Tail(Log(2).read, head=inner.head, drops=inner.drops)
    assert positions(await outer.after(0)) == [1, 2]
    inner.drop()
    assert outer.cached(0) is None
    assert positions(await outer.after(0)) == [1, 2]
    outer.drop()
    assert inner.cached(0) is None


async def test_a_failed_read_hurts_only_its_reader() -> None:
    log = Log(2)
    tail = Tail(log.read)
    tail.heard(2)
    log.gate.clear()
    log.errors = [StoreUnavailable("away")]
    first, second = (asyncio.create_task(tail.after(0)) for _ in range(2))
    await asyncio.sleep(0)
    log.gate.set()
    with pytest.raises(StoreUnavailable):
        await first
    assert positions(await second) == [1, 2]


async def test_a_cancelled_reader_leaves_the_others_to_read() -> None:
    log = Log(2)
    tail = Tail(log.read)
    tail.heard(2)
    log.gate.clear()
    first, second = (asyncio.create_task(tail.after(0)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    log.gate.set()
    assert positions(await second) == [1, 2]


async def test_events_that_are_heard_of_and_not_there_are_no_error() -> None:
    """After a fail-over the log may be shorter than what was heard."""
    log = Log(3)
    tail = Tail(log.read)
    tail.heard(5)
    assert positions(await tail.after(2)) == [3]
    assert await tail.after(3) == []
    log.head = 5
    assert positions(await tail.after(3)) == [4, 5]


class Following:
    """Notes what it is given."""

    def __init__(self, position: int | None) -> None:
        self.position = position
        self.given: list[tuple[str, list[int] | None]] = []

    def pushed(self, recorded: Sequence[RecordedEvent]) -> None:
        self.given.append(("pushed", positions(recorded)))

    def learned(self, recorded: Sequence[RecordedEvent]) -> None:
        self.given.append(("learned", positions(recorded)))


async def test_followers_are_given_what_is_pushed_and_learned_while_they_follow() -> None:
    tail = Tail(Log().read)
    follower = Following(None)
    with tail.followed_by(follower):
        tail.learn(events(1, 2))
        tail.push(events(3, 3))
    tail.push(events(4, 4))
    assert follower.given == [("learned", [1, 2]), ("pushed", [3])]
    assert positions(tail.cached(0)) == [1, 2, 3, 4]


async def test_the_last_of_the_followers_counts_and_those_that_need_nothing_do_not() -> None:
    tail = Tail(Log().read)
    assert tail.followed is None
    with tail.followed_by(Following(None)):
        assert tail.followed is None
        with tail.followed_by(Following(7)), tail.followed_by(Following(5)):
            assert tail.followed == 5


async def test_what_others_stored_is_told_from_what_is_pushed() -> None:
    tail = Tail(Log().read)
    tail.push(events(1, 2))
    assert tail.others.value == 0
    tail.push(events(5, 5))
    assert tail.others.value == 4
    tail.heard(5)
    assert tail.others.value == 4
    tail.heard(9)
    assert tail.others.value == 9
