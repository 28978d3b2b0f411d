"""Snapshots are a shortcut: with them or without, the state is that of the events."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest

from chekov import Aggregate, DefinitionError, Domain, Event, MemoryStore, Runtime, apply, execute
from chekov.engine.observer import Observer
from chekov.errors import HistoryTruncated, StoreUnavailable
from chekov.store.memory.history import History
from chekov.store.memory.snapshots import MemorySnapshots
from chekov.store.port import Snapshot
from tests.doubles import OwnEvents
from tests.unit.engine.counter_domain import Add, AddAtMost, Added, Counter, TooMuch
from tests.unit.engine.snapshot_counter import KeptCounter, SnapshotLog
from tests.waiting import until

DOMAIN = Domain("counting", aggregates=[KeptCounter])


class FragileSnapshots(MemorySnapshots):
    """Saves nothing while it is broken."""

    broken = False

    async def save(self, snapshot: Snapshot) -> None:
        if self.broken:
            raise StoreUnavailable("no room")
        await super().save(snapshot)


class Fragile(MemoryStore):
    """Saves no snapshots while they are broken."""

    def __init__(self) -> None:
        super().__init__()
        self.snapshots = self.fragile = FragileSnapshots(self.log.history, {})


def over(store: MemoryStore, observer: Observer | None = None, domain: Domain = DOMAIN) -> Runtime:
    return Runtime(
        domain, store=store, subscriptions=False, observers=[observer] if observer else []
    )


async def add(runtime: Runtime, *amounts: int) -> None:
    for amount in amounts:
        await runtime.dispatch(Add(counter="a", amount=amount))


async def snapshot(store: MemoryStore) -> Snapshot:
    found = await store.snapshots.load("counter-a")
    assert found is not None
    return found


async def state(store: MemoryStore, log: SnapshotLog) -> tuple[int, Sequence[int]]:
    """What a process that has just started makes of the counter."""
    async with over(store, log) as runtime:
        loaded = await runtime.load(KeptCounter, "a")
        return loaded.version, loaded.state.amounts


async def test_a_snapshot_is_kept_every_so_often_and_the_rest_is_read_from_events() -> None:
    log = SnapshotLog()
    store = MemoryStore()
    async with over(store, log) as runtime:
        await add(runtime, 1, 2)
        assert await store.snapshots.load("counter-a") is None
        await add(runtime, 3)
        await until(lambda: log.outcomes)
        assert (await snapshot(store)).version == 3
        await add(runtime, 4)
        assert (await snapshot(store)).version == 3
    assert await state(store, log) == (4, [1, 2, 3, 4])
    assert (log.outcomes, log.read) == (["kept", "used"], [1])


async def test_it_goes_on_from_the_snapshot_it_found() -> None:
    store = MemoryStore()
    for amounts, version in (((1, 2, 3, 4), 4), ((5, 6), 4), ((7,), 7)):
        async with over(store) as runtime:
            await add(runtime, *amounts)
        async with store:
            assert (await snapshot(store)).version == version


async def test_a_function_may_say_when_one_is_due() -> None:
    asked: list[tuple[int, int, bool]] = []

    def policy(version: int, events: int, seconds: float) -> bool:
        asked.append((version, events, seconds > 0))
        return version == 2

    class Chosen(KeptCounter, identity="counter", snapshot_every=policy):
        pass

    store = MemoryStore()
    domain = Domain("counting", aggregates=[Chosen])
    async with over(store, domain=domain) as runtime:
        await add(runtime, 1, 2)
    async with over(store, domain=domain) as runtime:
        await add(runtime, 3)
        assert (await snapshot(store)).version == 2
    assert asked == [(1, 1, False), (2, 2, False), (2, 0, True), (3, 1, True)]


async def test_a_policy_that_fails_fails_no_command(caplog: pytest.LogCaptureFixture) -> None:
    def policy(version: int, events: int, seconds: float) -> bool:
        raise ZeroDivisionError(version, events, seconds)

    class Unlucky(KeptCounter, identity="counter", snapshot_every=policy):
        pass

    async with over(MemoryStore(), domain=Domain("counting", aggregates=[Unlucky])) as runtime:
        await add(runtime, 1)
    assert "the snapshot policy of" in caplog.text


async def test_without_snapshots_nothing_asks_for_them() -> None:
    class Unasked(MemorySnapshots):
        async def load(self, stream: str) -> Snapshot | None:
            raise AssertionError(stream)

    store = MemoryStore()
    store.snapshots = Unasked(History(), {})
    async with over(store, domain=Domain("counting", aggregates=[Counter])) as runtime:
        await add(runtime, 1)
    async with over(store, domain=Domain("counting", aggregates=[Counter])) as runtime:
        assert (await runtime.load(Counter, "a")).version == 1


async def test_a_snapshot_that_cannot_be_stored_fails_no_command(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = SnapshotLog()
    store = Fragile()
    store.fragile.broken = True
    async with over(store, log) as runtime:
        await add(runtime, 1, 2, 3, 4)
        await until(lambda: log.outcomes == ["failed"])
        store.fragile.broken = False
        await add(runtime, 5, 6, 7)
        await until(lambda: log.outcomes == ["failed", "kept"])
        assert runtime.healthy
    assert "no snapshot of counter-a could be kept" in caplog.text


async def test_a_state_that_would_be_decoded_differently_is_not_stored() -> None:
    class Careless(KeptCounter, identity="counter", snapshot_every=1):
        @apply
        def added(self, event: Added) -> None:
            self.total += event.amount
            vars(self)["undeclared"] = event.amount

    log = SnapshotLog()
    store = MemoryStore()
    async with over(store, log, Domain("counting", aggregates=[Careless])) as runtime:
        await add(runtime, 1)
        await until(lambda: log.outcomes == ["failed"])
        assert await store.snapshots.load("counter-a") is None


async def test_snapshots_that_are_due_are_stored_before_the_end() -> None:
    store = MemoryStore()
    async with over(store) as runtime:
        await add(runtime, 1, 2, 3, 4, 5)
    async with store:
        assert (await snapshot(store)).version >= 3


async def test_while_the_store_is_slow_only_the_newest_state_is_queued() -> None:
    saving: list[int] = []
    opened = asyncio.Event()

    class Slow(MemorySnapshots):
        async def save(self, snapshot: Snapshot) -> None:
            saving.append(snapshot.version)
            await opened.wait()
            await super().save(snapshot)

    class SlowStore(MemoryStore):
        def __init__(self) -> None:
            super().__init__()
            self.snapshots = Slow(self.log.history, {})

    store = SlowStore()
    async with over(store) as runtime:
        await add(runtime, 1, 2, 3)
        await until(lambda: saving == [3])
        await add(runtime, *range(4, 14))
        opened.set()
        await until(lambda: saving == [3, 13])
    assert saving == [3, 13]


async def test_a_slow_command_does_not_hold_up_other_snapshots() -> None:
    class Held(OwnEvents):
        held: asyncio.Event | None = None
        reached = False

        async def before_append(self, stream: str) -> None:
            if self.held is not None and stream == "counter-a":
                self.reached = True
                await self.held.wait()

    log, store = SnapshotLog(), Held()
    async with over(store) as runtime:
        await add(runtime, 1, 2, 3)
    async with over(store, log) as runtime, asyncio.TaskGroup() as group:
        await store.snapshots.forget("counter-a")
        store.held = asyncio.Event()
        group.create_task(add(runtime, 4))
        await until(lambda: store.reached)
        for amount in (1, 2, 3):
            await runtime.dispatch(Add(counter="b", amount=amount))
        await until(lambda: log.outcomes == ["kept"])
        assert await store.snapshots.load("counter-a") is None
        assert await store.snapshots.load("counter-b") is not None
        store.held.set()
    async with store:
        assert (await snapshot(store)).version == 4


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "another"},
        {"data": b"\0\0\0\0\0\0\0\3nonsense"},
        {"data": b""},
        {"data": b'\0\0\0\0\0\0\0\7{"total":9,"amounts":[9]}'},
    ],
)
async def test_a_snapshot_that_does_not_fit_is_not_used(change: dict[str, object]) -> None:
    log = SnapshotLog()
    store = MemoryStore()
    async with over(store) as runtime:
        await add(runtime, 1, 2, 3, 4)
    async with store:
        found = await snapshot(store)
        await store.snapshots.forget("counter-a")
        await store.snapshots.save(found._replace(**change))  # type: ignore[arg-type]
        assert await state(store, log) == (4, [1, 2, 3, 4])
    assert (log.outcomes[0], log.read) == ("ignored", [4])


async def test_a_snapshot_from_before_a_stream_was_erased_is_not_used() -> None:
    log = SnapshotLog()
    store = MemoryStore()
    async with over(store) as runtime:
        await add(runtime, 1, 2, 3)
    async with store:
        old = await snapshot(store)
        async with over(store) as runtime:
            await runtime.delete(KeptCounter, "a", erase=True)
            await add(runtime, 7, 8, 9, 10)
        await store.snapshots.forget("counter-a")
        await store.snapshots.save(old)
        assert await state(store, log) == (4, [7, 8, 9, 10])


async def test_another_snapshot_version_or_field_makes_another_kind() -> None:
    class Raised(KeptCounter, identity="counter", snapshot_every=3, snapshot_version=2):
        pass

    class Wider(KeptCounter, identity="counter", snapshot_every=3):
        name: str = ""

    kinds: set[str] = set()
    for aggregate in (KeptCounter, Raised, Wider):
        store = MemoryStore()
        async with over(store, domain=Domain("counting", aggregates=[aggregate])) as runtime:
            await add(runtime, 1, 2, 3)
        async with store:
            kinds.add((await snapshot(store)).kind)
    assert len(kinds) == 3


async def test_a_truncated_history_needs_a_snapshot() -> None:
    store = MemoryStore()
    async with over(store) as runtime:
        await add(runtime, 1, 2, 3, 4, 5)
        await store.streams.truncate("counter-a", before=5)
        await add(runtime, 6)
    async with store:
        assert await state(store, SnapshotLog()) == (6, [1, 2, 3, 4, 5, 6])
        await store.snapshots.forget("counter-a")
        async with over(store) as runtime:
            with pytest.raises(HistoryTruncated) as caught:
                await runtime.load(KeptCounter, "a")
            assert caught.value.first == 5
            with pytest.raises(HistoryTruncated):
                await add(runtime, 1)
            with pytest.raises(HistoryTruncated):
                await runtime.load(KeptCounter, "a", at=3)


async def test_a_truncated_history_continues_right_after_its_snapshot() -> None:
    store = MemoryStore()
    async with over(store) as runtime:
        await add(runtime, 1, 2, 3)
    async with over(store) as runtime:
        await add(runtime, 4)
        await store.streams.truncate("counter-a", before=4, erase=True)
    assert await state(store, SnapshotLog()) == (4, [1, 2, 3, 4])


async def test_a_truncation_by_another_process_is_noticed() -> None:
    store = MemoryStore()
    plain = Domain("counting", aggregates=[Counter])
    async with over(store, domain=plain) as one, over(store, domain=plain) as other:
        await add(one, 1)
        await add(other, 2, 3, 4)
        await store.streams.truncate("counter-a", before=4)
        with pytest.raises(HistoryTruncated):
            await add(one, 1)
        with pytest.raises(TooMuch):
            await other.dispatch(AddAtMost(counter="a", amount=1, limit=10))


class Strange:
    pass


def test_states_that_cannot_be_stored_are_faults_of_the_domain() -> None:
    class Odd(Aggregate, identity="counter", snapshot_every=3):
        strange: Strange | None = None

        @execute
        def add(self, command: Add) -> Iterable[Added]:
            yield Added(amount=command.amount)

        @apply
        def added(self, event: Added) -> None: ...

    class Vague(Aggregate, identity="vague", snapshot_every=3):
        amounts: Sequence[int] = ()

        @apply
        def added(self, event: Added) -> None: ...

    domain = Domain("counting", aggregates=[Odd, Vague])
    with pytest.raises(DefinitionError) as caught:
        over(MemoryStore(), domain=domain)
    first, second = caught.value.faults
    assert "Odd.strange cannot be written as JSON" in first
    assert "Vague cannot be stored in a snapshot: amounts" in second


def test_snapshots_come_every_event_at_most() -> None:
    class Never(Aggregate, snapshot_every=0):
        @apply
        def happened(self, event: Event) -> None: ...

    with pytest.raises(DefinitionError, match="snapshot_every 0 must be 1 or more"):
        Domain("counting", aggregates=[Never])
