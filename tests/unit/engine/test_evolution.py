"""What was recorded under former names reaches aggregates and handlers as what it is today."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid5

import pytest

from chekov import (
    Aggregate,
    Command,
    Context,
    Domain,
    Event,
    EventHandler,
    Identifier,
    MemoryStore,
    MessagePack,
    Origin,
    Runtime,
    Upcaster,
    apply,
    execute,
    handle,
    upcast,
)
from chekov.engine.subscriptions.delivery import Retry
from chekov.errors import Undecodable
from chekov.store.port import NewEvent
from chekov.uuid7 import uuid7
from tests.waiting import until


class Opened(Event, name="opened", aliases=("account_opened",), revision=2):
    name: str
    currency: str


class Paid(Event, name="paid"):
    amount: int


class Charged(Event, name="charged"):
    amount: int


class Open(Command[Opened]):
    account: Identifier[str]
    name: str


class Account(Aggregate, identity="account"):
    name: str = ""
    currency: str = ""
    balance: int = 0

    @execute
    def open(self, command: Open) -> Iterable[Opened]:
        yield Opened(name=command.name, currency="USD")

    @apply
    def opened(self, event: Opened) -> None:
        self.name, self.currency = event.name, event.currency

    @apply
    def moved(self, event: Paid | Charged) -> None:
        self.balance += event.amount if isinstance(event, Paid) else -event.amount


@upcast("opened", to=Opened)
def with_currency(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    if "owner" not in data:
        raise LookupError(f"no owner at {origin.position}")
    return {"name": data["owner"], "currency": origin.metadata.get("currency", "EUR")}


@upcast("paid-less-fee", to=(Paid, "fee"))
def split(data: dict[str, Any], origin: Origin) -> Iterable[tuple[type[Event] | str, Any]]:
    del origin
    yield Paid, {"amount": data["amount"]}
    yield "fee", {"fee": data["fee"]}


@upcast("fee", to=Charged)
def fee(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
    del origin
    return {"amount": data["fee"]}


@upcast("looked-at", to=())
def dropped(data: dict[str, Any], origin: Origin) -> Iterable[tuple[str, dict[str, Any]]]:
    del data, origin
    return ()


UPCASTERS: tuple[Upcaster[Any], ...] = (with_currency, split, fee, dropped)


class Seen(EventHandler, name="seen"):
    """Remembers what it was given, and fails as often as it is told to on an amount."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.contexts: list[Context] = []
        self.failing: dict[int, int] = {}

    @handle
    async def opened(self, event: Opened, context: Context) -> None:
        self.events.append(event)
        self.contexts.append(context)

    @handle
    async def charged(self, event: Paid | Charged, context: Context) -> None:
        self.events.append(event)
        self.contexts.append(context)
        left = self.failing.get(event.amount, 0)
        if left:
            self.failing[event.amount] = left - 1
            raise RuntimeError(f"no {event.amount} please")


class SeenFees(EventHandler, name="fees"):
    def __init__(self) -> None:
        self.contexts: list[Context] = []

    @handle
    async def charged(self, event: Charged, context: Context) -> None:
        del event
        self.contexts.append(context)


class StoppingSeen(Seen, name="seen", on_failure="stop"):
    pass


@asynccontextmanager
async def running(
    *events: tuple[str, bytes], handlers: tuple[EventHandler, ...] = (), **options: Any
) -> AsyncGenerator[tuple[Runtime, MemoryStore]]:
    """A runtime over a store where some events are in the stream `account-a` already."""
    store = MemoryStore()
    domain = Domain("bank", aggregates=[Account], handlers=handlers, upcasters=UPCASTERS, **options)
    async with store:
        for type_, data in events:
            metadata = b'{"currency": "CHF"}' if type_ == "opened" else None
            await store.append("account-a", [NewEvent(uuid7(), type_, data, metadata)])
        retry = Retry(attempts=2, first=0.001)
        async with Runtime(domain, store=store, lease=0.1, retry=retry) as runtime:
            yield runtime, store


HISTORY = (
    ("opened", b'{"owner": "Ada"}'),
    ("looked-at", b"{}"),
    ("paid-less-fee", b'{"amount": 10, "fee": 3}'),
    ("account_opened", b'{"name": "Bea", "currency": "SEK"}'),
    ("fee", b'{"fee": 1}'),
    ("opened@2", b'{"name": "Cleo", "currency": "NOK"}'),
)
EVENTS = [
    Opened(name="Ada", currency="CHF"),
    Paid(amount=10),
    Charged(amount=3),
    Opened(name="Bea", currency="SEK"),
    Charged(amount=1),
    Opened(name="Cleo", currency="NOK"),
]


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


async def test_a_handler_is_given_what_its_events_are_today() -> None:
    seen = Seen()
    async with running(*HISTORY, handlers=(seen,)) as (runtime, store):
        await runtime.wait(6)
        stored = await store.read_page()
        assert runtime.subscriptions["seen"].parked == 0
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
    async with running(*HISTORY, handlers=(seen,)) as (runtime, store):
        await runtime.wait(6)
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


BROKEN = (
    ("opened", b'{"name": "an upcaster raises"}'),
    ("opened", b"[]"),
    ("paid-less-fee", b'{"amount": 10, "fee": "much"}'),
    ("paid-less-fee", b'{"amount": 10}'),
    ("opened@2", b'{"name": 3, "currency": "EUR"}'),
    ("paid", b"\xff\xfe"),
)


@pytest.mark.parametrize("broken", BROKEN)
async def test_what_cannot_be_read_is_set_aside_at_once_and_the_rest_goes_on(
    broken: tuple[str, bytes],
) -> None:
    seen = Seen()
    async with running(broken, ("paid", b'{"amount": 5}'), handlers=(seen,)) as (runtime, store):
        await runtime.wait(2)
        (parked,) = await store.subscriptions.parked("bank", "seen")
        assert runtime.healthy
        assert runtime.subscriptions["seen"].state != "stopped"
    assert (parked.position, parked.attempts, parked.type) == (1, 1, broken[0])
    assert parked.error.startswith("Undecodable: ")
    assert seen.events == [Paid(amount=5)]


async def test_a_handler_may_stop_at_what_cannot_be_read() -> None:
    async with running(BROKEN[0], handlers=(StoppingSeen(),)) as (runtime, _):
        await until(lambda: runtime.subscriptions["seen"].state == "stopped")
        assert "raised LookupError: no owner at 1" in str(runtime.subscriptions["seen"].error)
        assert runtime.healthy


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


async def test_what_has_a_name_that_nobody_knows_is_none_of_a_handlers_events() -> None:
    seen = Seen()
    history = (("account-opened", b"{}"), ("opened@home", b"{}"), ("paid", b'{"amount": 5}'))
    async with running(*history, handlers=(seen,)) as (runtime, store):
        await runtime.wait(3)
        assert await store.subscriptions.parked("bank", "seen") == []
    assert seen.events == [Paid(amount=5)]


@pytest.mark.parametrize("type_", ["opened@3", "paid@2", "opened@1"])
async def test_a_revision_that_this_release_cannot_read_is_set_aside(type_: str) -> None:
    seen, fees = Seen(), SeenFees()
    history = ((type_, b"{}"), ("paid", b'{"amount": 5}'), (type_, b"{}"))
    async with running(*history, handlers=(seen, fees)) as (runtime, store):
        await runtime.wait(3)
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
        await runtime.wait(1)
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


async def test_an_event_that_an_instance_does_not_apply_is_told() -> None:
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


async def test_one_event_is_asked_for_where_there_are_several() -> None:
    async with running(*HISTORY) as (runtime, store):
        stored = await store.read_page()
        assert runtime.decode(stored[0]) == EVENTS[0]
        assert runtime.decode_all(stored[0]) == [EVENTS[0]]
        assert runtime.decode_all(stored[1]) == []
        assert runtime.decode_all(stored[2]) == EVENTS[1:3]
        for recorded, number in ((stored[1], 0), (stored[2], 2)):
            with pytest.raises(Undecodable, match=f"upcasters make {number} events of it"):
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
        await runtime.wait(1)
        (parked,) = await store.subscriptions.parked("bank", "seen")
        with pytest.raises(Undecodable, match=r"serializer=…"):
            await runtime.load(Account, "a")
    assert "Domain(serializer=…)" in parked.error
