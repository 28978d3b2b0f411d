"""The state of an aggregate is built from its events as they are read today."""

import pytest

from chekov import Aggregate, Domain, MemoryStore, Runtime, apply
from chekov.errors import Undecodable
from chekov.store.port import NewEvent
from chekov.uuid7 import uuid7
from tests.unit.engine.commands.counting import over
from tests.unit.engine.counter_domain import Add as AddToCounter
from tests.unit.engine.counter_domain import AddAtMost, Counter, TooMuch
from tests.unit.engine.evolving import BROKEN, HISTORY, UPCASTERS, Account, Open, Paid, running
from tests.unit.engine.exits import EXITS
from tests.waiting import until


async def test_state_is_rebuilt_from_the_store() -> None:
    store = MemoryStore()
    async with over(store) as runtime:
        for _ in range(3):
            await runtime.dispatch(AddToCounter(counter="a", amount=2))
    async with over(store) as runtime:
        with pytest.raises(TooMuch):
            await runtime.dispatch(AddAtMost(counter="a", amount=5, limit=10))
        loaded = await runtime.load(Counter, "a")
    assert (loaded.state.total, loaded.version) == (6, 3)


async def test_an_aggregate_is_rebuilt_from_what_its_events_are_today() -> None:
    async with running(*HISTORY) as (runtime, _):
        loaded = await runtime.load(Account, "a")
        assert (loaded.version, loaded.state) == (
            6,
            Account(name="Cleo", currency="NOK", balance=6),
        )
        done = await runtime.dispatch(Open(account="a", name="Dora"), expected_version=6)
        assert (done.version, done.recorded[0].type) == (7, "opened@2")
        assert runtime.decode(done.recorded[0]) == done.events[0]


async def test_an_aggregate_is_rebuilt_as_it_was_at_a_version() -> None:
    async with running(*HISTORY) as (runtime, _):
        for version, state in (
            (1, Account(name="Ada", currency="CHF")),
            (2, Account(name="Ada", currency="CHF")),
            (3, Account(name="Ada", currency="CHF", balance=7)),
        ):
            assert (await runtime.load(Account, "a", at=version)).state == state


async def test_a_snapshot_holds_what_former_events_became() -> None:
    class Remembered(Account, identity="account", snapshot_every=2):
        pass

    store = MemoryStore()
    domain = Domain("bank", aggregates=[Remembered], upcasters=UPCASTERS)
    async with store:
        for type_, data in HISTORY:
            await store.append("account-a", [NewEvent(uuid7(), type_, data)])
        for _ in range(2):
            async with Runtime(domain, store=store) as runtime:
                loaded = await runtime.load(Remembered, "a")
                assert loaded.version == 6
                assert (loaded.state.name, loaded.state.balance) == ("Cleo", 6)
                await until(lambda: store.snapshots.load("account-a"))


async def test_a_stream_whose_events_are_all_dropped_has_its_version() -> None:
    async with running(("looked-at", b"{}"), ("looked-at", b"{}")) as (runtime, _):
        assert (await runtime.load(Account, "a")).version == 2
        assert (await runtime.dispatch(Open(account="a", name="Ada"))).version == 3


@pytest.mark.parametrize("broken", [*BROKEN, ("Opened", b"{}"), ("account-opened", b"{}")])
async def test_an_instance_that_cannot_be_read_says_so_and_the_others_go_on(
    broken: tuple[str, bytes],
) -> None:
    async with running(("paid", b'{"amount": 5}'), broken) as (runtime, store):
        for _ in range(2):
            with pytest.raises(Undecodable) as caught:
                await runtime.dispatch(Open(account="a", name="Ada"))
            assert (caught.value.type, caught.value.version) == (broken[0], 2)
            with pytest.raises(Undecodable):
                await runtime.load(Account, "a")
        assert (await runtime.dispatch(Open(account="b", name="Bea"))).version == 1
        assert (await store.streams.info("account-a")).version == 2


async def test_an_event_without_an_applier_is_named() -> None:
    class Other(Aggregate, identity="other"):
        @apply
        def moved(self, event: Paid) -> None:
            del event

    store = MemoryStore()
    domain = Domain("bank", aggregates=[Account, Other], upcasters=UPCASTERS)
    async with store, Runtime(domain, store=store) as runtime:
        await store.append("other-1", [NewEvent(uuid7(), "paid", b'{"amount": 1}')])
        await store.append(
            "other-1", [NewEvent(uuid7(), "paid-less-fee", b'{"amount": 1, "fee": 2}')]
        )
        with pytest.raises(Undecodable, match="Other does not apply Charged") as caught:
            await runtime.load(Other, "1")
    assert (caught.value.type, caught.value.version) == ("paid-less-fee", 2)


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("no"), *EXITS], ids=repr)
async def test_an_event_whose_applier_fails_is_named(error: BaseException) -> None:
    class Other(Aggregate, identity="other"):
        @apply
        def paid(self, event: Paid) -> None:
            if event.amount == 2:
                raise error

    store = MemoryStore()
    domain = Domain("bank", aggregates=[Account, Other], upcasters=UPCASTERS)
    async with store, Runtime(domain, store=store) as runtime:
        for name, amount in (("looked-at", 0), ("paid", 1), ("paid", 2), ("paid", 3)):
            data = b'{"amount": %d}' % amount
            await store.append("other-1", [NewEvent(uuid7(), name, data)])
        with pytest.raises(Undecodable, match=r"its applier .*Other\.paid raised ") as caught:
            await runtime.load(Other, "1")
    assert (caught.value.type, caught.value.stream, caught.value.version) == ("paid", "other-1", 3)
    assert caught.value.__cause__ is error
