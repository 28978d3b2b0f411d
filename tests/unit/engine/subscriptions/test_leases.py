import asyncio
import copy
from collections.abc import Collection, Sequence
from typing import Any

import pytest

from chekov import MemoryStore
from chekov.errors import StoreError, StoreUnavailable
from chekov.store.memory.subscriptions import MemorySubscriptions
from chekov.store.port import Claim, SubscriptionKey
from tests.unit.engine.counter_domain import Add, Added, Seen, status
from tests.unit.engine.running import running, saved
from tests.waiting import until


async def test_a_paused_subscription_waits_until_it_is_resumed() -> None:
    store = MemoryStore()
    seen = Seen()
    async with running(store, seen) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
        await until(lambda: saved(store, 1))
        await store.subscriptions.pause("counting", "seen")
        await until(lambda: status(runtime, "seen").state == "paused")
        await runtime.dispatch(Add(counter="a", amount=2))
        await store.subscriptions.resume("counting", "seen")
        await runtime.wait(2)
        assert status(runtime, "seen").state == "live"
    assert seen.amounts == [1, 2]


async def test_one_of_two_processes_runs_it_and_the_other_takes_over_at_once() -> None:
    store = MemoryStore()
    first, second = Seen(), Seen()
    async with running(store, second, node="two") as other:
        async with running(store, first, node="one") as runtime:
            await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
            owners = [status(item, "seen").owned for item in (runtime, other)]
            assert sorted(owners) == [False, True]
            await other.dispatch(Add(counter="a", amount=2), consistency="strong")
        await other.dispatch(Add(counter="a", amount=3), consistency="strong")
        assert status(other, "seen").owned
    assert sorted(first.amounts + second.amounts) == [1, 2, 3]


async def test_a_process_that_hangs_loses_its_subscription_to_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    gate = asyncio.Event()

    started = asyncio.Event()

    async def hang(event: Added) -> None:
        started.set()
        await gate.wait()

    class Silent(MemorySubscriptions):
        """The same subscriptions, seen by a process whose renewals do not get through."""

        silent = False

        async def claim(self, *args: Any, **options: Any) -> Sequence[Claim]:
            if self.silent:
                raise StoreUnavailable("no answer")
            return await super().claim(*args, **options)

    hanging, seen = Seen(hang), Seen()
    cut_off, renewals = copy.copy(store), Silent.__new__(Silent)
    renewals.__dict__.update(store.subscriptions.__dict__)
    cut_off.subscriptions = renewals
    async with store, running(cut_off, hanging, lease=0.3, node="one") as one:
        await one.dispatch(Add(counter="a", amount=1))
        await started.wait()
        renewals.silent = True
        async with running(store, seen, lease=0.3, node="two") as two:
            await two.wait(1)
            gate.set()
            await until(lambda: not status(one, "seen").owned)
            assert seen.amounts == [1]
            assert status(two, "seen").owned
    logged = [vars(record) for record in caplog.records if "renewed" in record.message]
    assert ("counting", "no answer") in {(item["domain"], item["error"]) for item in logged}
    assert logged[0]["owner"].startswith("one/")


class Passing(MemorySubscriptions):
    """Passes over every row while it is told so, as a database does with rows that are written."""

    def __init__(self, store: MemoryStore) -> None:
        self.__dict__.update(store.subscriptions.__dict__)
        self.passing = False
        self.passed = 0

    async def claim(self, *args: Any, **options: Any) -> Sequence[Claim]:
        claims = await super().claim(*args, **options)
        self.passed += self.passing
        return () if self.passing else claims


async def test_a_claim_that_the_store_passed_over_is_kept_and_soon_renewed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, seen = MemoryStore(), Seen()
    store.subscriptions = passing = Passing(store)
    async with running(store, seen, lease=3600) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
        passing.passing = True
        await store.subscriptions.resume("counting", "seen")  # the next round begins at once
        await until(lambda: passing.passed > 1)
        assert status(runtime, "seen").owned
        await runtime.dispatch(Add(counter="a", amount=2), consistency="strong")
        passing.passing = False
    assert seen.amounts == [1, 2]
    assert not caplog.records


async def test_a_claim_that_another_process_has_taken_is_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, seen = MemoryStore(), Seen()
    store.subscriptions = passing = Passing(store)
    key = SubscriptionKey("counting", "seen")
    async with running(store, seen, lease=3600) as runtime:
        await until(lambda: status(runtime, "seen").owned)
        await store.subscriptions.pause("counting", "seen")
        await store.subscriptions.resume("counting", "seen")
        passing.passing = True
        [claim] = await MemorySubscriptions.claim(passing, "another", [key], lease=3600)
        await until(lambda: not status(runtime, "seen").owned)
        await store.subscriptions.save(claim, 0)
        assert "no longer owned" in caplog.text


class Refusing(MemorySubscriptions):
    """Refuses claims while it is told so, as a database with a broken disk does."""

    def __init__(self, store: MemoryStore) -> None:
        self.__dict__.update(store.subscriptions.__dict__)
        self.refusing = False

    async def claim(self, *args: Any, **options: Any) -> Sequence[Claim]:
        if self.refusing:
            raise StoreError("Postgres refused: could not read block 0: Input/output error")
        return await super().claim(*args, **options)


async def test_a_database_that_refuses_a_renewal_does_not_end_the_process() -> None:
    store, seen = MemoryStore(), Seen()
    store.subscriptions = refusing = Refusing(store)
    async with running(store, seen, lease=0.3) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
        refusing.refusing = True
        await until(lambda: not status(runtime, "seen").owned)
        await runtime.dispatch(Add(counter="a", amount=2))
        assert runtime.healthy
        [trouble] = runtime.engine.troubles
        assert "claims of subscriptions are not renewed" in trouble
        assert "could not read block 0" in trouble
        refusing.refusing = False
        await runtime.wait(2)
        await until(lambda: not runtime.engine.troubles)
    assert seen.amounts == [1, 2]


class Stuck(MemorySubscriptions):
    """Passes over every row until the transaction that locks it is ended."""

    def __init__(self, store: MemoryStore) -> None:
        self.__dict__.update(store.subscriptions.__dict__)
        self.stuck = False
        self.ended: list[Collection[SubscriptionKey]] = []

    async def claim(self, *args: Any, **options: Any) -> Sequence[Claim]:
        return () if self.stuck else await super().claim(*args, **options)

    async def end_stale(self, keys: Collection[SubscriptionKey], **options: Any) -> int:
        self.ended.append(frozenset(keys))
        was_stuck, self.stuck = self.stuck, False
        return int(was_stuck)


async def test_what_a_former_owner_has_under_way_is_ended_before_the_next_round() -> None:
    store, seen = MemoryStore(), Seen()
    store.subscriptions = stuck = Stuck(store)
    key = SubscriptionKey("counting", "seen")
    async with store:
        await stuck.register([key])
        await stuck.claim("gone", [key], lease=0)
        stuck.stuck = True
        async with running(store, seen, lease=3600) as runtime:
            await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
            # Once to free the row, and once since it had an owner before.
            assert stuck.ended == [{key}, {key}]
            await store.subscriptions.resume("counting", "seen")
            await runtime.dispatch(Add(counter="a", amount=1), consistency="strong")
            assert len(stuck.ended) == 2
