"""The gate finds each way in which code cannot work with what is stored, and says where."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import pytest

from chekov import (
    Aggregate,
    Command,
    Context,
    Domain,
    Event,
    EventHandler,
    Forgotten,
    Identifier,
    MemoryStore,
    Origin,
    Personal,
    ProcessManager,
    Runtime,
    apply,
    execute,
    handle,
    start,
    upcast,
)
from chekov.gate.gate import SampleSize
from chekov.store.port import (
    Failure,
    OutgoingCommand,
    ParkingEntry,
    PendingTimer,
    ProcessChanges,
    ProcessState,
    ScheduledCommand,
    Snapshot,
    SubscriptionKey,
)
from tests.unit.gate.shop import (
    ORDERED,
    RUNNING,
    SECRET,
    SHIPPED,
    Delivery,
    Mails,
    Order,
    Ordered,
    Ship,
    Shipped,
    gated,
    only,
    shop,
    store_with,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)


async def test_the_code_that_stored_everything_reads_it() -> None:
    report = await gated(await store_with(ORDERED, SHIPPED))
    assert (report.compatibility, report.reason) == ("Compatible", "Readable")
    assert report.sampled == {"types": 2, "events": 2, "instances": 1, "work": 0}
    assert not report.findings
    assert not report.unread


async def test_an_empty_store_is_compatible_with_anything() -> None:
    report = await gated(MemoryStore(), running={})
    assert (report.compatibility, report.reason) == ("Compatible", "NothingStored")


class TestEvents:
    async def test_a_stored_name_without_a_type(self) -> None:
        store = await store_with(ORDERED, ("order-1", "wrapped", {"paper": SECRET}))
        finding = only(await gated(store))
        assert (finding.rule, finding.type) == ("UnknownType", "wrapped")
        assert (finding.stream, finding.version, finding.position) == ("order-1", 2, 2)

    async def test_events_of_other_domains_concern_nobody(self) -> None:
        store = await store_with(ORDERED, ("car-1", "painted", {}))
        report = await gated(store)
        assert report.compatibility == "Compatible"
        assert report.sampled["types"] == 1
        assert not report.findings

    async def test_events_that_only_the_running_code_has_are_a_warning(self) -> None:
        """They are in streams of an aggregate that is removed too."""
        store = await store_with(ORDERED, ("car-1", "painted", {}))
        report = await gated(store, running={**RUNNING, "events": ["ordered", "painted"]})
        assert report.compatibility == "Compatible"
        assert {item.rule for item in report.of("warning")} == {"EventRemoved"}

    async def test_content_that_does_not_fit(self) -> None:
        store = await store_with(
            ORDERED, *(("order-2", "ordered", {"item": SECRET, "amount": SECRET}),) * 3
        )
        finding = only(await gated(store))
        assert (finding.rule, finding.type, finding.count) == ("Undecodable", "ordered", 3)
        assert "Expected `int`, got `str` at $.amount" in finding.message
        assert (finding.stream, finding.version) == ("order-2", 1)

    async def test_a_missing_field_is_named(self) -> None:
        finding = only(await gated(await store_with(("order-1", "shipped", {}))))
        assert "Object missing required field `by`" in finding.message

    async def test_a_value_that_the_error_would_quote_is_left_out(self) -> None:
        class Colour(Enum):
            RED = "red"

        class Ordered(Event, name="ordered"):
            item: Colour
            amount: int

        class Basket(Aggregate, identity="order"):
            @apply
            def ordered(self, event: Ordered) -> None: ...

        domain = shop(aggregates=[Basket], handlers=[])
        finding = only(await gated(await store_with(ORDERED), domain, running={}))
        assert finding.message == (
            "its content does not fit: a value is not one of those that its type has at $.item"
        )

    async def test_a_failing_upcaster_is_named_with_its_line(self) -> None:
        @upcast("sold", to=Ordered)
        def with_amount(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
            del origin
            raise LookupError(f"no amount of {data['item']}")

        domain = shop(upcasters=[with_amount])
        finding = only(await gated(await store_with(("order-1", "sold", {"item": SECRET})), domain))
        assert finding.rule == "UpcasterFailed"
        assert "raised LookupError in" in finding.message
        assert finding.place is not None
        assert finding.place.file == __file__

    async def test_what_an_upcaster_returns_has_to_fit(self) -> None:
        @upcast("sold", to=Ordered)
        def with_amount(data: dict[str, Any], origin: Origin) -> dict[str, Any]:
            del origin
            return {"item": data["item"]}

        domain = shop(upcasters=[with_amount])
        finding = only(await gated(await store_with(("order-1", "sold", {"item": SECRET})), domain))
        assert finding.rule == "Undecodable"
        assert "Object missing required field `amount`" in finding.message

    async def test_a_revision_that_newer_code_stored(self) -> None:
        """As old code meets them when a change is undone."""
        store = await store_with(ORDERED, ("order-1", "ordered@2", {"item": SECRET, "amount": 1}))
        finding = only(await gated(store))
        assert (finding.rule, finding.type) == ("NewerRevision", "ordered@2")
        assert "revisions up to 1" in finding.message

    async def test_the_newest_and_the_oldest_are_looked_at(self) -> None:
        broken = ("order-2", "ordered", {"item": SECRET})
        fine = [("order-1", "ordered", {"item": SECRET, "amount": 1})] * 10
        size = SampleSize(events=4)
        for events in ([broken, *fine], [*fine, broken]):
            assert only(await gated(await store_with(*events), size=size)).stream == "order-2"
        middle = await gated(
            await store_with(*fine, broken, *fine), size=SampleSize(events=4, instances=1)
        )
        assert middle.compatibility == "Compatible"
        assert middle.sampled["events"] == 4

    async def test_deleted_and_erased_streams_are_no_fault(self) -> None:
        store = await store_with(ORDERED, ("order-2", "shipped", {"by": SECRET}))
        async with store:
            await store.streams.delete("order-2", erase=True)
            await store.streams.delete("order-1")
        assert (await gated(store)).compatibility == "Compatible"


class TestAggregates:
    async def test_an_event_without_an_applier(self) -> None:
        class Basket(Aggregate, identity="order"):
            @execute
            def ship(self, command: Ship) -> Iterable[Shipped]:
                yield Shipped(by=command.by)

            @apply
            def shipped(self, event: Shipped) -> None: ...

        finding = only(await gated(await store_with(ORDERED), shop(aggregates=[Basket])))
        assert (finding.rule, finding.type, finding.stream) == ("NotApplied", "ordered", "order-1")
        assert "add an @apply method" in finding.message

    async def test_an_applier_that_fails_is_named_with_its_line(self) -> None:
        class Basket(Aggregate, identity="order"):
            @execute
            def order(self, command: Order) -> Iterable[Ordered]:
                yield Ordered(item=command.item, amount=command.amount)

            @apply
            def ordered(self, event: Ordered) -> None:
                raise ValueError(event.item)

            @apply
            def shipped(self, event: Shipped) -> None: ...

        domain = shop(aggregates=[Basket], handlers=[])
        finding = only(await gated(await store_with(ORDERED), domain))
        assert finding.rule == "ApplierFailed"
        assert "raised ValueError" in finding.message
        assert (finding.stream, finding.version, finding.position) == ("order-1", 1, 1)
        assert finding.place is not None
        assert finding.place.function.endswith("Basket.ordered")

    async def test_snapshots_of_another_shape_are_a_note(self) -> None:
        store = await store_with(ORDERED, SHIPPED)
        async with store:
            await store.snapshots.save(Snapshot("order-1", 2, "another", b"{}"))
        report = await gated(store)
        assert report.compatibility == "Compatible"
        [note] = report.findings
        assert (note.rule, note.level, note.type) == ("SnapshotIgnored", "note", "order")

    async def test_without_its_first_events_an_instance_needs_a_snapshot_that_fits(self) -> None:
        store = await store_with(ORDERED, SHIPPED)
        async with store:
            await store.streams.truncate("order-1", before=2)
            await store.snapshots.save(Snapshot("order-1", 2, "another", b"{}"))
        finding = only(await gated(store))
        assert (finding.rule, finding.stream) == ("HistoryTruncated", "order-1")

    async def test_a_snapshot_that_fits_is_used(self) -> None:
        store = MemoryStore()
        async with Runtime(shop(handlers=[]), store=store) as runtime:
            for _ in range(4):
                await runtime.dispatch(Order(order="1", item=SECRET, amount=1))
        async with store:
            assert await store.snapshots.load("order-1")
            await store.streams.truncate("order-1", before=4)
        assert (await gated(store)).compatibility == "Compatible"


class Named(Event, name="named"):
    name: Personal[str]


class Name(Command[Named]):
    customer: Identifier[str]
    name: str


class Customer(Aggregate, identity="customer", snapshot_every=1):
    length: int = 0

    @execute
    def name(self, command: Name) -> Iterable[Named]:
        yield Named(name=command.name)

    @apply
    def named(self, event: Named) -> None:
        self.length = 0 if isinstance(event.name, Forgotten) else len(event.name)


class Careless(Customer, identity="customer"):
    @apply
    def named(self, event: Named) -> None:
        self.length = len(str(event.name)) if event.name else 1 // 0


PEOPLE = Domain("people", aggregates=[Customer])


class TestPersonalData:
    async def store(self) -> MemoryStore:
        store = MemoryStore()
        async with Runtime(PEOPLE, store=store) as runtime:
            await runtime.dispatch(Name(customer="1", name=SECRET))
            await runtime.dispatch(Name(customer="2", name=SECRET))
            await runtime.forget("customer-2")
        return store

    async def test_it_is_read_as_if_everybody_were_forgotten(self) -> None:
        report = await gated(await self.store(), PEOPLE, running={})
        assert report.compatibility == "Compatible"
        assert report.sampled["events"] == 2
        assert report.sampled["instances"] == 2
        assert "personal data" in report.unread[0]

    async def test_code_that_cannot_do_without_it_fails(self) -> None:
        store = await self.store()
        domain = Domain("people", aggregates=[Careless])
        finding = only(await gated(store, domain, running={}))
        assert (finding.rule, finding.count) == ("ApplierFailed", 2)

    async def test_sealed_values_do_not_fit_fields_that_are_personal_no_longer(self) -> None:
        class Named(Event, name="named"):
            name: str

        class Customer(Aggregate, identity="customer"):
            @apply
            def named(self, event: Named) -> None: ...

        domain = Domain("people", aggregates=[Customer])
        finding = only(await gated(await self.store(), domain, running={}))
        assert finding.rule == "Undecodable"
        assert "Expected `str`, got `object` at $.name" in finding.message


KEY = SubscriptionKey("shop", "delivery")
CAUSE = UUID(int=1)


def state(data: bytes = b'{"step":"shipping","tries":1}') -> ProcessState:
    return ProcessState("parcel", CAUSE, NOW, data)


def command(name: str, data: bytes) -> OutgoingCommand:
    return OutgoingCommand("parcel", CAUSE, uuid4(), name, data, None, None, None)


def timer(name: str, data: bytes) -> PendingTimer:
    return PendingTimer("parcel", name, uuid4(), NOW, None, data, CAUSE, None, None, None)


async def with_process(
    *,
    states: Sequence[ProcessState] = (),
    timers: Sequence[PendingTimer] = (),
    commands: Sequence[OutgoingCommand] = (),
) -> MemoryStore:
    """A store with an instance of the process manager `delivery`."""
    changes = ProcessChanges(states=states or [state()], timers=timers, commands=commands)
    store = await store_with(ORDERED)
    async with store:
        await store.subscriptions.register([KEY])
        [claim] = await store.subscriptions.claim("one", [KEY], lease=60)
        await store.processes.commit(claim, 1, changes)
    return store


class TestWork:
    async def test_work_that_can_be_taken_over(self) -> None:
        store = await with_process(
            timers=[timer("Late", b'{"days":1}')],
            commands=[command("Ship", b'{"order":"1","by":"post"}')],
        )
        async with store:
            item = ScheduledCommand(uuid4(), "Ship", b'{"order":"1","by":"post"}', NOW)
            await store.schedules.add("shop", item)
        report = await gated(store)
        assert report.compatibility == "Compatible"
        assert report.sampled["work"] == 3

    async def test_the_state_of_a_process_manager_has_to_fit(self) -> None:
        store = await with_process(states=[state(b'{"step":7,"tries":"s3cret-value"}')])
        finding = only(await gated(store))
        assert finding.rule == "UndecodableProcess"
        assert (finding.type, finding.stream) == ("delivery", "parcel")
        assert "Expected `str`, got `int` at $.step" in finding.message

    @pytest.mark.parametrize(
        ("name", "data", "message"),
        [
            ("Late", b'{"days":"s3cret-value"}', "Expected `int`, got `str` at $.days"),
            ("Reminder", b"{}", "Delivery does not take its timer Reminder"),
        ],
    )
    async def test_a_timer_has_to_fit(self, name: str, data: bytes, message: str) -> None:
        finding = only(await gated(await with_process(timers=[timer(name, data)])))
        assert finding.rule == "UndecodableProcess"
        assert message in finding.message

    @pytest.mark.parametrize(
        ("name", "data", "message"),
        [
            ("Ship", b'{"order":"1","by":7}', "Expected `str`, got `int`"),
            ("Wrap", b"{}", "no aggregate of the domain executes it"),
        ],
    )
    async def test_a_command_that_is_about_to_be_sent_has_to_fit(
        self, name: str, data: bytes, message: str
    ) -> None:
        finding = only(await gated(await with_process(commands=[command(name, data)])))
        assert (finding.rule, finding.type) == ("UndecodableCommand", name)
        assert message in finding.message

    async def test_a_scheduled_command_has_to_fit(self) -> None:
        store = await store_with()
        async with store:
            item = ScheduledCommand(uuid4(), "Ship", b'{"order":"1"}', NOW)
            await store.schedules.add("shop", item)
        finding = only(await gated(store))
        assert (finding.rule, finding.type) == ("UndecodableCommand", "Ship")

    async def test_instances_of_a_process_manager_that_is_removed_are_abandoned(self) -> None:
        store = await with_process()
        finding = only(await gated(store, shop(handlers=[Mails])))
        assert (finding.rule, finding.type) == ("AbandonedProcess", "delivery")
        older = await gated(store, shop(handlers=[Mails]), running={})
        assert older.compatibility == "Compatible"
        assert [item.rule for item in older.of("warning")] == ["AbandonedProcess"]

    async def test_a_new_version_of_a_process_manager_abandons_instances(self) -> None:
        class Delivery(ProcessManager, name="delivery", version=2):
            @start(by="item")
            def ordered(self, event: Ordered) -> None: ...

        finding = only(await gated(await with_process(), shop(handlers=[Delivery, Mails])))
        assert finding.rule == "AbandonedProcess"
        assert "it is an instance of version 1, and the code has version 2" in finding.message

    async def test_sealed_states_are_left_out(self) -> None:
        report = await gated(await with_process(states=[state(b"\0sealed")]))
        assert report.compatibility == "Compatible"
        assert report.unread == ["1 encrypted states, timers and commands"]


MAILS = SubscriptionKey("shop", "mails")


async def with_parked(*, error: str = "ValueError: no") -> MemoryStore:
    """A store in which `mails` parked the first event."""
    store = await store_with(ORDERED)
    async with store:
        [event] = await store.read_page(limit=1)
        await store.subscriptions.register([MAILS])
        [claim] = await store.subscriptions.claim("one", [MAILS], lease=60)
        entry = ParkingEntry(event, event.stream, Failure(3, error))
        await store.subscriptions.save(claim, 1, parked=[entry])
    return store


class TestParked:
    async def test_parked_events_that_can_be_decoded(self) -> None:
        report = await gated(await with_parked())
        assert report.compatibility == "Compatible"
        assert report.sampled["work"] == 1

    @pytest.mark.parametrize(
        ("before", "level"), [("ValueError: no", "error"), ("Undecodable: no", "warning")]
    )
    async def test_parked_events_that_cannot(self, before: str, level: str) -> None:
        """That is worse only if the running code can."""

        class Ordered(Event, name="ordered"):
            item: int

        class Mails(EventHandler, name="mails"):
            @handle
            async def ordered(self, event: Ordered, context: Context) -> None: ...

        class Basket(Aggregate, identity="order"):
            @apply
            def ordered(self, event: Ordered) -> None: ...

        domain = shop(aggregates=[Basket], handlers=[Mails])
        report = await gated(await with_parked(error=before), domain, running={})
        [finding] = [item for item in report.findings if item.rule == "UndecodableParked"]
        assert (finding.level, finding.position) == (level, 1)

    async def test_a_removed_subscription_with_parked_events(self) -> None:
        store = await with_parked()
        domain = shop(handlers=[Delivery])
        finding = only(await gated(store, domain))
        assert (finding.rule, finding.type) == ("AbandonedSubscription", "mails")
        older = await gated(store, domain, running={})
        assert [item.rule for item in older.of("warning")] == ["AbandonedSubscription"]


class TestManifests:
    async def test_what_is_removed_is_a_warning(self) -> None:
        running = {
            **RUNNING,
            "aggregates": ["order", "car"],
            "commands": ["Order", "Ship", "Wrap"],
            "subscriptions": [
                *RUNNING["subscriptions"],
                {"name": "labels", "kind": "handler", "version": 1},
            ],
        }
        report = await gated(await store_with(ORDERED), running=running)
        assert report.compatibility == "Compatible"
        assert [(item.rule, item.type) for item in report.of("warning")] == [
            ("AggregateRemoved", "car"),
            ("CommandRemoved", "Wrap"),
            ("SubscriptionRemoved", "labels"),
        ]

    async def test_versions_of_subscriptions(self) -> None:
        running = {
            "subscriptions": [
                {"name": "mails", "kind": "projection", "version": 1},
                {"name": "delivery", "kind": "process", "version": 2},
                {"name": 7},
                "odd",
            ]
        }
        report = await gated(await store_with(), running=running)
        assert [item.message for item in report.of("warning")] == [
            "the running code has a projection of this name, not a handler",
            "it goes back from version 2 to 1",
        ]

    async def test_another_name_of_the_domain(self) -> None:
        finding = only(await gated(await store_with(), shop(name="store")))
        assert finding.rule == "DomainRenamed"


async def test_a_gate_without_time_gives_no_verdict() -> None:
    store = await store_with(ORDERED)
    report = await gated(store, size=SampleSize(seconds=0))
    assert (report.compatibility, report.reason) == ("Unknown", "TimedOut")
    assert report.unread
