"""A command whose id comes from its caller is executed once, however often it is sent."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from chekov import Domain, MemoryStore, Runtime
from chekov.domain.event_filter import EVERYTHING, EventFilter
from chekov.engine.observer import Observer
from chekov.errors import (
    CommandIdReused,
    CommandTimeout,
    WrongExpectedVersion,
)
from chekov.store.port import RecordedEvent
from tests.doubles import OwnEvents
from tests.unit.engine.commands.outcomes import Outcomes
from tests.unit.engine.counter_domain import Add, AddAtMost, Counter, Doubling, Note, TooMuch

DOMAIN = Domain("counting", aggregates=[Counter], command_handlers=[Doubling()])
ONE = Add(counter="a", amount=1)


class Asked(OwnEvents):
    """Counts the look-ups by cause, and loses the answers of appends while it is stalled."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_up = 0
        self.stalled = False

    async def after_append(self) -> None:
        if self.stalled:
            await asyncio.Event().wait()

    async def read_page(  # type: ignore[override]  # the rest of its parameters passes through
        self, *, filter: EventFilter = EVERYTHING, **further: Any
    ) -> Sequence[RecordedEvent]:
        self.looked_up += filter.causation is not None
        return await super().read_page(**further, filter=filter)


def over(store: MemoryStore, observer: Observer | None = None) -> Runtime:
    return Runtime(
        DOMAIN, store=store, subscriptions=False, observers=[observer] if observer else []
    )


async def test_a_repeat_is_answered_like_the_first_and_stores_nothing() -> None:
    outcomes = Outcomes()
    store, key, correlation = MemoryStore(), uuid4(), uuid4()
    async with over(store, outcomes) as runtime:
        first = await runtime.dispatch(ONE, command_id=key, correlation_id=correlation)
        await runtime.dispatch(ONE)
        again = await runtime.dispatch(ONE, command_id=key, correlation_id=uuid4())
        assert again == first._replace(repeated=True)
        assert not first.repeated
        assert await store.head() == 2
        assert (await runtime.load(Counter, "a")).state.total == 2
    async with over(store) as restarted:
        assert await restarted.dispatch(ONE, command_id=key) == again
    assert outcomes.all == [("accepted", 1), ("accepted", 1), ("repeated", 1)]


async def test_a_repeat_may_be_rejected_by_the_state_that_the_first_made() -> None:
    key, other = uuid4(), uuid4()
    full = AddAtMost(counter="a", amount=3, limit=3)
    async with over(MemoryStore()) as runtime:
        first = await runtime.dispatch(full, command_id=key)
        assert await runtime.dispatch(full, command_id=key) == first._replace(repeated=True)
        with pytest.raises(TooMuch):
            await runtime.dispatch(full, command_id=other)


async def test_a_repeat_may_expect_a_version_that_is_gone() -> None:
    key = uuid4()
    async with over(MemoryStore()) as runtime:
        first = await runtime.dispatch(ONE, command_id=key, expected_version=0)
        again = await runtime.dispatch(ONE, command_id=key, expected_version=0)
        assert again == first._replace(repeated=True)
        with pytest.raises(WrongExpectedVersion):
            await runtime.dispatch(ONE, command_id=uuid4(), expected_version=0)


async def test_a_repeat_may_yield_nothing() -> None:
    store, key = MemoryStore(), uuid4()
    async with over(store) as runtime:
        first = await runtime.dispatch(ONE, command_id=key)
        again = await runtime.dispatch(Add(counter="a", amount=0), command_id=key)
        assert again == first._replace(repeated=True)


async def test_a_command_that_stored_nothing_is_executed_again() -> None:
    key, empty = uuid4(), uuid4()
    async with over(MemoryStore()) as runtime:
        command = AddAtMost(counter="a", amount=3, limit=2)
        with pytest.raises(TooMuch):
            await runtime.dispatch(command, command_id=key)
        done = await runtime.dispatch(Add(counter="a", amount=0), command_id=empty)
        assert (done.position, done.repeated) == (0, False)
        done = await runtime.dispatch(Add(counter="a", amount=1), command_id=empty)
        assert (done.version, done.repeated) == (1, False)
        done = await runtime.dispatch(AddAtMost(counter="a", amount=1, limit=2), command_id=key)
        assert (done.version, done.repeated) == (2, False)


async def test_an_id_belongs_to_one_command() -> None:
    key = uuid4()
    async with over(MemoryStore()) as runtime:
        await runtime.dispatch(ONE, command_id=key)
        with pytest.raises(CommandIdReused) as caught:
            await runtime.dispatch(Add(counter="b", amount=1), command_id=key)
        assert (caught.value.stream, caught.value.command) == ("counter-a", "Add")
        for other in (
            AddAtMost(counter="a", amount=1, limit=9),
            AddAtMost(counter="a", amount=1, limit=0),
            Note(counter="a", text="x"),
        ):
            with pytest.raises(CommandIdReused):
                await runtime.dispatch(other, command_id=key)
        assert await runtime.store.head() == 1


async def test_the_id_of_an_answer_may_be_used_for_a_repeat() -> None:
    async with over(MemoryStore()) as runtime:
        first = await runtime.dispatch(ONE)
        again = await runtime.dispatch(ONE, command_id=first.command_id)
        assert again == first._replace(repeated=True)


async def test_only_refused_repeats_are_looked_up() -> None:
    store = Asked()
    async with over(store) as runtime:
        await runtime.dispatch(ONE, command_id=uuid4())
        await runtime.dispatch(ONE)
        await runtime.dispatch(Add(counter="a", amount=0))
        with pytest.raises(TooMuch):
            await runtime.dispatch(AddAtMost(counter="a", amount=1, limit=0))
        assert store.looked_up == 0


async def test_a_command_can_be_sent_again_after_a_timeout() -> None:
    store, key = Asked(), uuid4()
    async with over(store) as runtime:
        store.stalled = True
        with pytest.raises(CommandTimeout) as caught:
            await runtime.dispatch(ONE, command_id=key, timeout=0.01)
        assert caught.value.stored is None
        store.stalled = False
        again = await runtime.dispatch(ONE, command_id=key)
        assert (again.version, again.repeated) == (1, True)
        assert await store.head() == 1


async def test_many_at_once_through_two_processes_store_it_once() -> None:
    store, key = MemoryStore(), uuid4()
    async with over(store) as one, over(store) as two:
        answers = await asyncio.gather(
            *(runtime.dispatch(ONE, command_id=key) for runtime in (one, two) * 5)
        )
        assert [answer.repeated for answer in answers].count(False) == 1
        assert {answer._replace(repeated=False)[:3] for answer in answers} == {("counter-a", 1, 1)}
        assert await store.head() == 1


async def test_a_repeat_is_answered_after_a_deletion_or_a_truncation() -> None:
    store, keys = MemoryStore(), [uuid4(), uuid4(), uuid4()]
    async with over(store) as runtime:
        firsts = [
            (await runtime.dispatch(ONE, command_id=key))._replace(repeated=True) for key in keys
        ]
        await store.streams.truncate("counter-a", before=3)
        assert await runtime.dispatch(ONE, command_id=keys[0]) == firsts[0]
        async with over(store) as restarted:
            assert await restarted.dispatch(ONE, command_id=keys[0]) == firsts[0]
        await runtime.delete(Counter, "a")
        assert await runtime.dispatch(ONE, command_id=keys[1]) == firsts[1]


async def test_a_command_whose_events_were_erased_is_executed_again() -> None:
    store, key = MemoryStore(), uuid4()
    async with over(store) as runtime:
        await runtime.dispatch(ONE, command_id=key)
        await runtime.delete(Counter, "a", erase=True)
        assert not (await runtime.dispatch(ONE, command_id=key)).repeated


async def test_a_link_does_not_stand_for_what_was_erased() -> None:
    store, key = MemoryStore(), uuid4()
    async with over(store) as runtime:
        await runtime.dispatch(ONE, command_id=key)
        await store.streams.link("vip", [1])
        again = await runtime.dispatch(ONE, command_id=key)
        assert [event.stream for event in again.recorded] == ["counter-a"]
        await runtime.delete(Counter, "a", erase=True)
        assert not (await runtime.dispatch(ONE, command_id=key)).repeated


async def test_a_command_sent_again_can_wait_for_handlers() -> None:
    key = uuid4()
    async with Runtime(DOMAIN, store=MemoryStore()) as runtime:
        await runtime.dispatch(ONE, command_id=key)
        assert (await runtime.dispatch(ONE, command_id=key, consistency="strong")).repeated


async def test_a_repeated_command_is_answered_with_the_state_of_the_first_time() -> None:
    store, command_id = MemoryStore(), uuid4()
    async with over(store) as runtime:
        for _ in range(2):
            done = await runtime.dispatch(ONE, command_id=command_id, with_state=True)
            assert done.state == Counter(total=1)
            await runtime.dispatch(Add(counter="a", amount=7))
        await store.streams.truncate("counter-a", before=3)
        again = await runtime.dispatch(ONE, command_id=command_id, with_state=True)
        assert (again.repeated, again.state) == (True, None)
        assert "begins at version 3" in str(again.state_error)
