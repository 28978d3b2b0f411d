"""What was recorded under former names reaches handlers as what it is today."""

from typing import Any
from uuid import uuid5

import pytest

from chekov import Context, Domain, Event, EventHandler, MemoryStore, MessagePack, Runtime, handle
from chekov.errors import Undecodable
from chekov.store.port import NewEvent
from chekov.uuid7 import uuid7
from tests.unit.engine.counter_domain import status
from tests.unit.engine.evolving import (
    BROKEN,
    EVENTS,
    HISTORY,
    Account,
    Open,
    Paid,
    Seen,
    SeenFees,
    StoppingSeen,
    running,
)
from tests.waiting import passed, until


async def test_a_handler_is_given_what_its_events_are_today() -> None:
    seen = Seen()
    async with running(*HISTORY, handlers=(seen,)) as (runtime, store):
        await runtime.wait(6)
        stored = await store.read_page()
        assert status(runtime, "seen").parked == 0
    assert seen.events == EVENTS
    assert [context.position for context in seen.contexts] == [1, 3, 3, 4, 5, 6]
    first, second = seen.contexts[1], seen.contexts[2]
    assert (first.id, second.id) == (stored[2].id, uuid5(stored[2].id, "1"))
    assert (second.version, second.time, second.stream) == (3, stored[2].time, "account-a")
    assert seen.contexts[0].metadata == {"currency": "CHF"}


async def test_a_handler_of_one_part_is_given_that_part_alone() -> None:
    fees = SeenFees()
    async with running(*HISTORY, handlers=(fees,)) as (runtime, store):
        await runtime.wait(6)
        stored = await store.read_page()
    assert [context.position for context in fees.contexts] == [3, 5]
    assert fees.contexts[0].id == uuid5(stored[2].id, "1")


async def test_the_parts_of_an_event_are_handled_all_or_none() -> None:
    seen = Seen()
    seen.failing[3] = 1
    async with running(*HISTORY, handlers=(seen,)) as (runtime, _):
        await runtime.wait(6)
    assert seen.events == [*EVENTS[:3], *EVENTS[1:]]
    assert [context.attempt for context in seen.contexts] == [1, 1, 1, 2, 2, 1, 1, 1]
    ids = [context.id for context in seen.contexts]
    assert ids[1:3] == ids[3:5]


async def test_an_event_with_a_part_that_keeps_failing_is_set_aside_as_a_whole() -> None:
    seen = Seen()
    seen.failing[3] = 100
    async with running(*HISTORY, handlers=(seen,), apart=True) as (runtime, store):
        await passed(runtime, 6)
        (parked,) = await store.subscriptions.parked("bank", "seen")
    assert (parked.position, parked.type, parked.attempts) == (3, "paid-less-fee", 2)
    assert seen.events[-3:] == EVENTS[3:]


async def test_the_checkpoint_passes_what_is_dropped() -> None:
    seen = Seen()
    async with running(*[("looked-at", b"{}")] * 20, handlers=(seen,)) as (runtime, store):
        await runtime.wait(20)

        async def saved() -> bool:
            [row] = await store.subscriptions.list("bank")
            return row.position == 20

        await until(saved)
    assert seen.events == []


@pytest.mark.parametrize("broken", BROKEN)
async def test_what_cannot_be_read_is_set_aside_at_once_and_the_rest_goes_on(
    broken: tuple[str, bytes],
) -> None:
    seen = Seen()
    async with running(broken, ("paid", b'{"amount": 5}'), handlers=(seen,), apart=True) as (
        runtime,
        store,
    ):
        await passed(runtime, 2)
        (parked,) = await store.subscriptions.parked("bank", "seen")
        assert runtime.healthy
        assert status(runtime, "seen").state != "stopped"
    assert (parked.position, parked.attempts, parked.type) == (1, 1, broken[0])
    assert parked.error.startswith("Undecodable: ")
    assert seen.events == [Paid(amount=5)]


async def test_a_handler_may_stop_at_what_cannot_be_read() -> None:
    async with running(BROKEN[0], handlers=(StoppingSeen(),)) as (runtime, _):
        await until(lambda: status(runtime, "seen").state == "stopped")
        assert "raised LookupError: no owner at 1" in str(status(runtime, "seen").error)
        assert runtime.healthy


async def test_what_has_a_name_that_nobody_knows_is_none_of_a_handlers_events() -> None:
    seen = Seen()
    history = (("account-opened", b"{}"), ("opened@home", b"{}"), ("paid", b'{"amount": 5}'))
    async with running(*history, handlers=(seen,)) as (runtime, store):
        await runtime.wait(3)
        assert await store.subscriptions.parked("bank", "seen") == []
    assert seen.events == [Paid(amount=5)]


async def test_a_former_revision_that_this_release_cannot_read_is_set_aside() -> None:
    seen, fees = Seen(), SeenFees()
    history = (("opened@1", b"{}"), ("paid", b'{"amount": 5}'), ("opened@1", b"{}"))
    async with running(*history, handlers=(seen, fees), apart=True) as (runtime, store):
        await passed(runtime, 3)
        assert [event.position for event in await store.subscriptions.parked("bank", "seen")] == [
            1,
            3,
        ]
        assert await store.subscriptions.parked("bank", "fees") == []
    assert seen.events == [Paid(amount=5)]


async def test_former_events_without_an_upcaster_are_set_aside_not_passed_over() -> None:
    seen = Seen()
    store = MemoryStore()
    domain = Domain("bank", aggregates=[Account], handlers=[seen])
    async with store, Runtime(domain, store=store) as runtime:
        await store.append("account-a", [NewEvent(uuid7(), "opened", b'{"owner": "Ada"}')])
        await passed(runtime, 1)
        (parked,) = await store.subscriptions.parked("bank", "seen")
    assert "no upcaster for it" in parked.error


async def test_a_handler_that_takes_one_revision_leaves_the_other_to_its_class() -> None:
    class Former(Event, name="opened"):
        owner: str

    class SeenFormer(EventHandler, name="former"):
        @handle
        async def opened(self, event: Former, context: Context) -> None:
            pass

    seen = Seen()
    store = MemoryStore()
    domain = Domain("bank", handlers=[seen, SeenFormer()])
    async with store, Runtime(domain, store=store) as runtime:
        await store.append("account-a", [NewEvent(uuid7(), "opened", b'{"owner": "Ada"}')])
        await runtime.wait(1)
        assert await store.subscriptions.parked("bank", "seen") == []
    assert seen.events == []


async def test_one_event_is_asked_for_where_there_are_several() -> None:
    async with running(*HISTORY) as (runtime, store):
        stored = await store.read_page()
        assert runtime.decode(stored[0]) == EVENTS[0]
        assert runtime.decode_all(stored[0]) == [EVENTS[0]]
        assert runtime.decode_all(stored[1]) == []
        assert runtime.decode_all(stored[2]) == EVENTS[1:3]
        for recorded, number in ((stored[1], 0), (stored[2], 2)):
            with pytest.raises(Undecodable, match=f"upcasters turn it into {number} events"):
                runtime.decode(recorded)


async def test_another_serializer_takes_over_from_json() -> None:
    seen = Seen()
    options: dict[str, Any] = {"serializer": MessagePack()}
    async with running(*HISTORY, handlers=(seen,), **options) as (runtime, _):
        done = await runtime.dispatch(Open(account="a", name="Dora"), consistency="strong")
        assert done.recorded[0].data[:1] != b"{"
        runtime.engine.dispatcher.aggregates.get_or_create(Account, "account-a").forget()
        loaded = await runtime.load(Account, "a")
    assert loaded.state == Account(name="Dora", currency="USD", balance=6)
    assert seen.events == [*EVENTS, *done.events]


async def test_an_event_without_its_serializer_is_set_aside() -> None:
    seen = Seen()
    packed = MessagePack().encode({"amount": 3})
    async with running(("paid", packed), handlers=(seen,)) as (runtime, store):
        await passed(runtime, 1)
        (parked,) = await store.subscriptions.parked("bank", "seen")
        with pytest.raises(Undecodable, match=r"serializer=…"):
            await runtime.load(Account, "a")
    assert "Domain(serializer=…)" in parked.error
