"""Parked events over keys: failures, repairs, retries, discards, crashes and lost answers.

Whatever happens, a key's events are handled in order, none is lost, and a projection writes none
twice.
"""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from chekov import Context, EventHandler, Projection, Transaction, handle
from chekov.store.port import ALL_PARKED, NewEvent, ParkedFilter
from chekov.uuid7 import uuid7
from tests.model.test_subscription_model import (
    NODES,
    STEPS,
    SubscriptionMachine,
    breathe,
)
from tests.unit.engine.counter_domain import Added

KEYS = ("counter-a", "counter-b", "counter-c")
CHOSEN = st.one_of(st.none(), st.sampled_from(KEYS))


class Faults:
    """Which amounts the handler fails on: the number of an event, while it is broken."""

    def __init__(self) -> None:
        self.broken: set[int] = set()

    def check(self, event: Added) -> None:
        if event.amount in self.broken:
            raise ValueError("broken")


class Writer(Projection, name="subject"):
    tables = "-- in memory"

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    @handle
    async def added(self, event: Added, transaction: Transaction) -> None:
        await breathe()
        self.faults.check(event)
        transaction.write("note", transaction.position)


class Reader(EventHandler, name="subject"):
    def __init__(self, faults: Faults, given: list[int]) -> None:
        self.faults = faults
        self.given = given

    @handle
    async def added(self, event: Added, context: Context) -> None:
        await breathe()
        self.faults.check(event)
        self.given.append(context.position)


class ParkingMachine(SubscriptionMachine):
    """The rules of a subscription on several nodes, and those of people who repair it."""

    def __init__(self) -> None:
        super().__init__()
        self.faulty = Faults()
        self.key_of: dict[int, str] = {}

    async def _append(self, kind: int) -> None:
        """Every event gets a key and a number; a poisonous one fails until it is repaired."""
        number = len(self.key_of) + 1
        key = KEYS[number * number % 7 % len(KEYS)]
        if kind < 0:
            self.faulty.broken.add(number)
        event = NewEvent(uuid7(), "Added", b'{"amount": %d}' % number)
        done = await self.store.append(key, [event])
        self.key_of[done.position] = key

    @rule()
    def repair(self) -> None:
        self.faulty.broken.clear()

    @rule(key=CHOSEN, limit=st.integers(1, 3))
    def retry(self, key: str | None, limit: int) -> None:
        self.run(
            self.store.subscriptions.retry_parked(
                "counting", "subject", ParkedFilter(key=key), limit=limit
            )
        )

    @rule(key=CHOSEN)
    def discard(self, key: str | None) -> None:
        chosen = ParkedFilter(key=key)
        self.run(
            self.store.subscriptions.discard_parked(
                "counting", "subject", chosen, reason="why not", limit=1
            )
        )

    @rule(number=NODES, key=CHOSEN, before=STEPS, after=STEPS)
    def retry_and_renew(self, number: int, key: str | None, before: int, after: int) -> None:
        self.retry(key, 3)
        self.run(self._renew(number, before, after))

    def handled(self) -> list[int]:
        """The positions that were handled, in this order."""
        raise AssertionError("a machine has a handler")

    @invariant()
    def each_key_is_handled_in_order(self) -> None:
        first = list(dict.fromkeys(self.handled()))
        for key in KEYS:
            mine = [item for item in first if self.key_of[item] == key]
            assert mine == sorted(mine)

    @invariant()
    def nothing_is_handled_after_what_is_parked_before_it(self) -> None:
        first, handled = self.run(self._heads())
        for key, position in first.items():
            after = [item for item in handled if self.key_of[item] == key and item > position]
            assert not after

    async def _heads(self) -> tuple[dict[str, int], list[int]]:
        """Both at one moment."""
        first: dict[str, int] = {}
        for event in await self.store.subscriptions.parked("counting", "subject", limit=10_000):
            first.setdefault(event.key, event.position)
        return first, list(self.handled())

    def everything_is_done(self) -> None:
        found: Any = self.run(self._kept())
        parked, discarded = found
        assert self.position() == self.run(self.store.head())
        assert parked | discarded | set(self.handled()) == set(self.key_of)
        assert not parked & discarded

    async def _kept(self) -> tuple[set[int], set[int]]:
        store = self.store.subscriptions
        parked = await store.parked("counting", "subject", limit=10_000)
        discarded = await store.discarded("counting", "subject", limit=10_000)
        return {item.position for item in parked}, {item.position for item in discarded}

    def teardown(self) -> None:
        """After all, somebody repairs the handler and retries everything."""
        self.faulty.broken.clear()
        self.run(self.store.subscriptions.retry_parked("counting", "subject", ALL_PARKED))
        super().teardown()


class ProjectionMachine(ParkingMachine):
    def handler(self) -> EventHandler:
        return Writer(self.faulty)

    def handled(self) -> list[int]:
        return self.store.written

    @invariant()
    def nothing_is_written_twice(self) -> None:
        assert len(set(self.store.written)) == len(self.store.written)

    def everything_is_done(self) -> None:
        super().everything_is_done()
        parked, discarded = self.run(self._kept())
        assert not (parked | discarded) & set(self.store.written)


class HandlerMachine(ParkingMachine):
    def __init__(self) -> None:
        super().__init__()
        self.given: list[int] = []

    def handler(self) -> EventHandler:
        return Reader(self.faulty, self.given)

    def handled(self) -> list[int]:
        return self.given


_settings = settings(max_examples=100, stateful_step_count=30)
TestProjection = ProjectionMachine.TestCase
TestProjection.settings = _settings
TestHandler = HandlerMachine.TestCase
TestHandler.settings = _settings
