"""Contract of the role `subscriptions`: parked events, which block their keys in order."""

# ruff: noqa: S101 these are tests, for others to run

from collections.abc import Sequence

import pytest

from chekov.errors import Fenced
from chekov.store.port import (
    ALL_PARKED,
    Claim,
    Failure,
    ParkedFilter,
    ParkingEntry,
    RecordedEvent,
    Store,
)
from chekov.testing.contract.event_store import event
from chekov.testing.contract.subscriptions import KEY, LONG, claimed


def failed(recorded: RecordedEvent, fingerprint: str = "mails/one/E/f:1") -> ParkingEntry:
    """An event that failed three times; its stream is its key."""
    failure = Failure(3, "E: it\0hurts \ud800", fingerprint, "Traceback …")
    return ParkingEntry(recorded, recorded.stream, failure)


def blocked(recorded: RecordedEvent) -> ParkingEntry:
    """An event after one that failed."""
    return ParkingEntry(recorded, recorded.stream)


async def stored(store: Store, *streams: str) -> Sequence[RecordedEvent]:
    """One event in each of these streams, in this order."""
    return [(await store.append(stream, [event("one")])).recorded[0] for stream in streams]


async def parked(store: Store) -> Sequence[tuple[int, str, str]]:
    """Position, key and state of what is parked."""
    found = await store.subscriptions.parked("bank", "mails")
    return [(item.position, item.key, item.state) for item in found]


async def with_two_keys(store: Store) -> Claim:
    """Of `a-1` the events 1, 2 and 4 are parked, of `b-1` the event 3; 1 and 3 failed."""
    claim = await claimed(store)
    one, two, three, four = await stored(store, "a-1", "a-1", "b-1", "a-1")
    entries = [failed(one), blocked(two), failed(three, "mails/one/F/g:2"), blocked(four)]
    await store.subscriptions.save(claim, 4, parked=entries)
    return claim


class ParkingContract:
    """Tests of what `store.subscriptions` keeps of events that were set aside."""

    async def test_events_are_parked_with_the_checkpoint(self, store: Store) -> None:
        """With what went wrong, as far as it can be stored."""
        await with_two_keys(store)
        first, second, *_ = await store.subscriptions.parked("bank", "mails")
        assert (first.subscription, first.stream, first.type) == (KEY, "a-1", "one")
        assert (first.attempts, first.fingerprint, first.traceback) == (
            3,
            "mails/one/E/f:1",
            "Traceback …",
        )
        assert first.error == first.first_error
        assert first.error.startswith("E: it")
        assert (second.attempts, second.error, second.state) == (0, "", "blocked")
        [row] = await store.subscriptions.list("bank")
        assert (row.position, row.parked, row.parked_keys, row.last_failed) == (4, 4, 2, 4)

    async def test_parking_an_event_again_changes_the_reason(self, store: Store) -> None:
        """But what was parked does not become blocked."""
        claim = await claimed(store)
        [one] = await stored(store, "a-1")
        await store.subscriptions.save(claim, 1, parked=[failed(one)])
        again = ParkingEntry(one, "a-1", Failure(9, "again"))
        await store.subscriptions.save(claim, 1, parked=[again])
        await store.subscriptions.save(claim, 1, parked=[blocked(one)])
        [item] = await store.subscriptions.parked("bank", "mails")
        assert (item.attempts, item.error, item.state) == (9, "again", "failed")

    async def test_a_stale_owner_parks_nothing(self, store: Store) -> None:
        """Nor does it change what is parked."""
        old = await claimed(store, lease=0)
        one, two = await stored(store, "a-1", "a-1")
        await store.subscriptions.save(old, 1, parked=[failed(one)])
        await store.subscriptions.claim("two", [KEY], lease=LONG)
        with pytest.raises(Fenced):
            await store.subscriptions.save(old, 2, parked=[blocked(two)])
        with pytest.raises(Fenced):
            await store.subscriptions.unpark(old, 1)
        with pytest.raises(Fenced):
            await store.subscriptions.park_again(old, 1, Failure(1, "x"))
        assert await parked(store) == [(1, "a-1", "failed")]

    async def test_pages_and_conditions(self, store: Store) -> None:
        """Each condition narrows the choice."""
        await with_two_keys(store)
        listed = store.subscriptions.parked

        async def positions(**chosen: object) -> list[int]:
            found = await listed("bank", "mails", **chosen)  # pyright: ignore[reportArgumentType]
            return [item.position for item in found]

        assert await positions(limit=2) == [1, 2]
        assert await positions(after=2) == [3, 4]
        assert await positions(filter=ParkedFilter(key="a-1"), limit=2, after=1) == [2, 4]
        assert await positions(filter=ParkedFilter(fingerprint="mails/one/F/g:2")) == [3]
        assert await positions(filter=ParkedFilter(position=2)) == [2]
        assert await positions(filter=ParkedFilter(position=2, key="b-1")) == []

    async def test_failures_are_grouped_by_fingerprint(self, store: Store) -> None:
        """Blocked events have none."""
        claim = await with_two_keys(store)
        [five] = await stored(store, "c-1")
        await store.subscriptions.save(claim, 5, parked=[failed(five)])
        first, second = await store.subscriptions.parked_groups("bank", "mails")
        assert (first.fingerprint, first.events, first.first, first.last) == (
            "mails/one/E/f:1",
            2,
            1,
            5,
        )
        assert (second.fingerprint, second.events, second.first) == ("mails/one/F/g:2", 1, 3)
        assert first.error.startswith("E: it")

    async def test_a_retried_key_is_due(self, store: Store) -> None:
        """Its owner sees it by its claim, and handles what is parked in order."""
        claim = await with_two_keys(store)
        assert await store.subscriptions.blocked(claim) == {"a-1": False, "b-1": False}
        seen = await store.wait("subscriptions", 0, 0)
        retried = await store.subscriptions.retry_parked("bank", "mails", ParkedFilter(key="a-1"))
        assert retried == [1]
        assert await store.wait("subscriptions", seen, 60) > seen
        [renewed] = await store.subscriptions.claim("one", [KEY], lease=LONG)
        assert renewed.epoch == claim.epoch
        assert renewed.parked_changes > claim.parked_changes
        assert await store.subscriptions.blocked(claim) == {"a-1": True, "b-1": False}
        found = await store.subscriptions.parked_in_order(claim, "a-1", limit=2)
        assert [(item.position, item.state) for item in found] == [(1, "retrying"), (2, "blocked")]
        await store.subscriptions.unpark(claim, 1)
        assert await store.subscriptions.blocked(claim) == {"a-1": True, "b-1": False}
        await store.subscriptions.unpark(claim, 2)
        await store.subscriptions.unpark(claim, 4)
        assert await store.subscriptions.blocked(claim) == {"b-1": False}
        with pytest.raises(Fenced):
            await store.subscriptions.unpark(claim, 4)

    async def test_only_failed_events_are_retried(self, store: Store) -> None:
        """Page by page, so that what fails again meanwhile is not retried for ever."""
        claim = await with_two_keys(store)
        retry = store.subscriptions.retry_parked
        assert await retry("bank", "mails", ParkedFilter(position=2)) == []
        [unchanged] = await store.subscriptions.claim("one", [KEY], lease=LONG)
        assert unchanged.parked_changes == claim.parked_changes
        assert await retry("bank", "mails", ALL_PARKED, limit=1) == [1]
        await store.subscriptions.park_again(claim, 1, Failure(1, "again", "f", "t"))
        assert await retry("bank", "mails", ALL_PARKED, after=1, limit=1) == [3]
        assert await retry("bank", "mails", ALL_PARKED, after=3, limit=1) == []
        [first, *_] = await store.subscriptions.parked("bank", "mails")
        assert (first.state, first.attempts, first.error, first.fingerprint) == (
            "failed",
            4,
            "again",
            "f",
        )
        assert first.first_error.startswith("E: it")

    async def test_a_blocked_event_that_fails_has_its_first_error(self, store: Store) -> None:
        """It had none before."""
        claim = await with_two_keys(store)
        await store.subscriptions.park_again(claim, 2, Failure(1, "now", "f", "t"))
        _, second, *_ = await store.subscriptions.parked("bank", "mails")
        assert (second.state, second.first_error, second.error) == ("failed", "now", "now")

    async def test_a_discarded_event_is_kept_with_the_reason(self, store: Store) -> None:
        """What it blocked is due."""
        claim = await with_two_keys(store)
        discard = store.subscriptions.discard_parked
        seen = await store.wait("subscriptions", 0, 0)
        chosen = ParkedFilter(fingerprint="mails/one/E/f:1")
        assert await discard("bank", "mails", chosen, reason="a\0 typo") == [1]
        assert await store.wait("subscriptions", seen, 60) > seen
        [renewed] = await store.subscriptions.claim("one", [KEY], lease=LONG)
        assert renewed.parked_changes > claim.parked_changes
        assert await store.subscriptions.blocked(claim) == {"a-1": True, "b-1": False}
        assert await discard("bank", "mails", ALL_PARKED, reason="all") == [3]
        assert await store.subscriptions.blocked(claim) == {"a-1": True}
        first, second = await store.subscriptions.discarded("bank", "mails")
        assert (first.subscription, first.position, first.key) == (KEY, 1, "a-1")
        assert (first.attempts, first.fingerprint) == (3, "mails/one/E/f:1")
        assert first.reason.endswith("typo")
        assert second.reason == "all"
        found = await store.subscriptions.discarded("bank", "mails", after=1, limit=1)
        assert [item.position for item in found] == [3]

    async def test_a_skipped_event_is_kept_and_blocks_nothing(self, store: Store) -> None:
        """It goes to the discarded ones at once."""
        claim = await claimed(store)
        [one] = await stored(store, "a-1")
        entry = ParkingEntry(one, "a-1", Failure(1, "E", "f", "t"), discarded="skipped")
        await store.subscriptions.save(claim, 1, parked=[entry])
        assert await parked(store) == []
        assert await store.subscriptions.blocked(claim) == {}
        [item] = await store.subscriptions.discarded("bank", "mails")
        assert (item.position, item.attempts, item.error, item.reason) == (1, 1, "E", "skipped")
        [row] = await store.subscriptions.list("bank")
        assert (row.parked, row.last_failed) == (0, 1)

    async def test_who_waits_for_an_event_finds_out_that_it_failed(self, store: Store) -> None:
        """Parked, blocked or discarded."""
        await with_two_keys(store)
        await store.subscriptions.discard_parked(
            "bank", "mails", ParkedFilter(position=3), reason="no"
        )
        for position in (1, 2, 3, 4):
            found = await store.subscriptions.failed("bank", first=position, last=position)
            assert found == {KEY: True}
        await store.subscriptions.discard_parked(
            "bank", "mails", ParkedFilter(position=1), reason="no"
        )
        assert await store.subscriptions.failed("bank", first=2, last=2) == {KEY: False}
        assert await store.subscriptions.failed("bank", first=3, last=4) == {KEY: True}
        assert not await store.subscriptions.failed("bank", first=5, last=9)
        assert not await store.subscriptions.failed("other", first=1, last=9)

    async def test_an_event_may_wait_for_its_next_attempt(self, store: Store) -> None:
        """With the later events of its key; who retries it says so, and nobody can discard it."""
        claim = await claimed(store)
        one, two = await stored(store, "a-1", "a-1")
        waits = ParkingEntry(one, "a-1", Failure(2, "E: soon", "f", "t"), retrying=True)
        await store.subscriptions.save(claim, 2, parked=[waits, blocked(two)])
        assert await parked(store) == [(1, "a-1", "retrying"), (2, "a-1", "blocked")]
        assert await store.subscriptions.blocked(claim) == {"a-1": True}
        [first, _] = await store.subscriptions.parked_in_order(claim, "a-1")
        assert (first.attempts, first.error) == (2, "E: soon")
        assert await store.subscriptions.failed("bank", first=1, last=2) == {KEY: False}
        assert not await store.subscriptions.retried(claim, after=claim.parked_changes)
        everything = ParkedFilter()
        assert await store.subscriptions.retry_parked("bank", "mails", everything) == [1]
        [renewed] = await store.subscriptions.claim("one", [KEY], lease=LONG)
        retried = store.subscriptions.retried
        assert list(await retried(renewed, after=claim.parked_changes)) == ["a-1"]
        assert not await retried(renewed, after=renewed.parked_changes)
        assert await parked(store) == [(1, "a-1", "retrying"), (2, "a-1", "blocked")]
        assert not await store.subscriptions.discard_parked("bank", "mails", everything, reason="")
        await store.subscriptions.park_again(claim, 1, Failure(3, "E: hard"))
        assert await store.subscriptions.failed("bank", first=1, last=2) == {KEY: True}
        [first, _] = await store.subscriptions.parked_in_order(claim, "a-1")
        assert (first.state, first.attempts, first.first_error) == ("failed", 5, "E: soon")

    async def test_an_event_may_have_several_keys(self, store: Store) -> None:
        """It is one of the events of each, in order, and blocks all of them."""
        claim = await claimed(store)
        one, two, three, four = await stored(store, "a-1", "b-1", "c-1", "a-1")
        several = ParkingEntry(three, "a-1", also=("b-1", 'd "1'))
        entries = [failed(one), blocked(two), several, blocked(four)]
        await store.subscriptions.save(claim, 4, parked=entries)
        by_key = {
            key: [item.position for item in await store.subscriptions.parked_in_order(claim, key)]
            for key in ("a-1", "b-1", 'd "1', "c-1")
        }
        assert by_key == {"a-1": [1, 3, 4], "b-1": [2, 3], 'd "1': [3], "c-1": []}
        [first] = await store.subscriptions.parked_in_order(claim, 'd "1', limit=1)
        assert (first.key, first.keys) == ("a-1", ("a-1", "b-1", 'd "1'))
        assert await store.subscriptions.blocked(claim) == {"a-1": False, "b-1": True, 'd "1': True}
        [row] = await store.subscriptions.list("bank")
        assert (row.parked, row.parked_keys) == (4, 3)
        found = await store.subscriptions.parked("bank", "mails", filter=ParkedFilter(key="b-1"))
        assert [item.position for item in found] == [2, 3]
        for position, final in ((2, False), (3, True), (4, True)):
            failing = await store.subscriptions.failed("bank", first=position, last=position)
            assert failing == {KEY: final}
        await store.subscriptions.unpark(claim, 2)
        await store.subscriptions.park_again(claim, 3, Failure(1, "E"))
        blocked_now = {"a-1": False, "b-1": False, 'd "1': False}
        assert await store.subscriptions.blocked(claim) == blocked_now
        chosen = ParkedFilter(key='d "1')
        assert await store.subscriptions.retry_parked("bank", "mails", chosen) == [3]
        retried = await store.subscriptions.retried(claim, after=claim.parked_changes)
        assert set(retried) == {"a-1", "b-1", 'd "1'}
        await store.subscriptions.unpark(claim, 3)
        assert await store.subscriptions.blocked(claim) == {"a-1": False}

    async def test_a_replay_retries_each_event_once(self, store: Store) -> None:
        """And knows what became of those: handled, to be handled, or failed again."""
        claim = await with_two_keys(store)
        retry, name = store.subscriptions.retry_parked, ("bank", "mails")
        assert await retry(*name, ALL_PARKED, replay="one") == [1, 3]
        assert await store.subscriptions.still_parked(*name, "one") == {"retrying": 2}
        await store.subscriptions.unpark(claim, 1)
        await store.subscriptions.park_again(claim, 3, Failure(1, "E: again"))
        assert await store.subscriptions.still_parked(*name, "one") == {"failed": 1}
        assert await retry(*name, ALL_PARKED, replay="one") == []
        assert await store.subscriptions.still_parked(*name, "two") == {}
        assert await retry(*name, ALL_PARKED, replay="two") == [3]
        assert await store.subscriptions.still_parked(*name, "two") == {"retrying": 1}
