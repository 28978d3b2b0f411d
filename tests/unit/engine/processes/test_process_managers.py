"""Process managers over a store in memory: what their instances see, send and leave behind."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chekov import (
    Command,
    Domain,
    MemoryStore,
    ProcessManager,
    Rejected,
    Retry,
    Runtime,
    Schedule,
    StreamNotFound,
    expired,
    finish,
    proceed,
    rejected,
    start,
)
from chekov.domain.event_filter import CAUSE
from chekov.engine.subscriptions import batch_limit, time_slice
from chekov.serialization.codec import decode_metadata
from chekov.store.port import (
    Claim,
    OutgoingCommand,
    ProcessChanges,
    ProcessState,
    SubscriptionKey,
)
from tests.unit.engine.processes.transfers import (
    PATIENCE,
    Account,
    Deposit,
    Deposited,
    End,
    Ended,
    Request,
    Requested,
    TooLate,
    TransferRequest,
    Withdraw,
    domain,
)
from tests.waiting import until

KEY = SubscriptionKey("bank", "transfer")


class Clock:
    """The clock of a store, which tests move."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def bank(store: MemoryStore | None = None) -> AsyncGenerator[Runtime]:
    async with Runtime(
        domain, store=store or MemoryStore(), retry=Retry(attempts=2, first=0.001)
    ) as runtime:
        yield runtime


async def outcomes(runtime: Runtime, transfer: str) -> tuple[str, ...]:
    return (await runtime.load(TransferRequest, transfer)).state.outcomes


async def balance(runtime: Runtime, account: str) -> int:
    try:
        return (await runtime.load(Account, account)).state.balance
    except StreamNotFound:
        return 0


async def balance_is(runtime: Runtime, account: str, amount: int) -> bool:
    return await balance(runtime, account) == amount


async def is_idle(runtime: Runtime) -> bool:
    """Whether nothing is under way in any transfer."""
    head = await runtime.store.head()
    await runtime.wait(head)
    empty = not await runtime.store.processes.pending(KEY)
    return (
        empty
        and not await runtime.store.processes.inputs(KEY)
        and head == (await runtime.store.head())
    )


async def request(
    runtime: Runtime, transfer: str = "t", *, target: str = "b", amount: int = 7
) -> None:
    await runtime.dispatch(Request(transfer=transfer, source="a", target=target, amount=amount))


async def test_a_transfer_moves_money_step_by_step() -> None:
    async with bank() as runtime:
        await runtime.dispatch(Deposit(account="a", amount=10))
        await request(runtime)
        await until(lambda: outcomes(runtime, "t"))
        assert await outcomes(runtime, "t") == ("done",)
        assert (await balance(runtime, "a"), await balance(runtime, "b")) == (3, 7)
        await until(lambda: is_idle(runtime))
        assert not await runtime.store.processes.list("bank")
        assert await runtime.store.processes.next_due(KEY) is None


async def test_a_refused_command_comes_back_with_its_reason() -> None:
    async with bank() as runtime:
        await runtime.dispatch(Deposit(account="a", amount=3))
        await request(runtime)
        await until(lambda: outcomes(runtime, "t"))
        assert await outcomes(runtime, "t") == ("refused: 4 missing",)
        assert await balance(runtime, "a") == 3


async def test_what_was_done_is_undone_when_a_later_step_is_refused() -> None:
    async with bank() as runtime:
        await runtime.dispatch(Deposit(account="a", amount=10))
        await request(runtime, target="closed")
        await until(lambda: outcomes(runtime, "t"))
        assert await outcomes(runtime, "t") == ("undone",)
        assert await balance(runtime, "a") == 10


async def test_many_instances_go_on_side_by_side() -> None:
    async with bank() as runtime:
        await runtime.dispatch(Deposit(account="a", amount=300))
        for number in range(300):
            await request(runtime, f"t{number}", target=f"b{number % 7}", amount=1)
        await until(lambda: is_idle(runtime))
        for number in range(300):
            assert await outcomes(runtime, f"t{number}") == ("done",)
        assert await balance(runtime, "a") == 0


async def test_commands_inherit_from_the_event_that_led_to_them() -> None:
    correlation, store = UUID(int=5), MemoryStore()
    async with bank(store) as runtime:
        await runtime.dispatch(Deposit(account="a", amount=10))
        done = await runtime.dispatch(
            Request(transfer="t", source="a", target="b", amount=7),
            correlation_id=correlation,
            metadata={"tenant": "blue"},
        )
        await until(lambda: outcomes(runtime, "t"))
        [withdrawn] = await store.read_stream("account-a", after=1)
        [deposited] = await store.read_stream("account-b")
    assert {withdrawn.correlation_id, deposited.correlation_id} == {correlation}
    metadata = decode_metadata(withdrawn.metadata)
    assert metadata["tenant"] == "blue"
    assert metadata[CAUSE] == str(done.recorded[0].id)
    assert decode_metadata(deposited.metadata)[CAUSE] == str(withdrawn.id)


async def test_a_timer_that_became_due_in_an_outage_comes_back_at_once() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    async with bank(store) as runtime:
        await runtime.dispatch(Deposit(account="a", amount=10))
        await request(runtime, target="broken", amount=1)
        await until(lambda: state_holds(store, b"depositing"))
        [found] = await store.processes.list("bank")
        [timer] = found.timers
        assert timer.due == found.state.begun + PATIENCE
    clock.now += PATIENCE
    async with bank(store):
        await until(lambda: state_holds(store, b"late after 5"))
        [found] = await store.processes.list("bank")
        assert not found.timers


async def state_holds(store: MemoryStore, text: bytes) -> bool:
    return any(text in found.state.data for found in await store.processes.list("bank"))


async def test_a_new_process_manager_leaves_the_past_alone() -> None:
    store = MemoryStore()
    async with Runtime(domain, store=store, subscriptions=False) as runtime:
        await runtime.dispatch(Deposit(account="a", amount=10))
        await request(runtime, "old")
    async with bank(store) as runtime:
        await request(runtime, "new", amount=1)
        await until(lambda: outcomes(runtime, "new"))
        await until(lambda: is_idle(runtime))
        assert await outcomes(runtime, "old") == ()
        assert await balance(runtime, "a") == 9


async def test_a_restart_goes_on_where_it_was_left() -> None:
    store = MemoryStore()
    async with bank(store) as runtime:
        await runtime.dispatch(Deposit(account="a", amount=10))
        await runtime.pause("transfer")
        await request(runtime)
        assert await outcomes(runtime, "t") == ()
    async with bank(store) as runtime:
        await runtime.resume("transfer")
        await until(lambda: outcomes(runtime, "t"))
        assert await outcomes(runtime, "t") == ("done",)


async def test_a_process_manager_is_listed_with_its_kind() -> None:
    async with bank() as runtime:
        [(key, status)] = runtime.subscriptions.items()
        assert (key, status.kind) == (KEY, "process")


async def test_a_refusal_without_a_method_is_set_aside_until_it_is_released() -> None:
    class Careless(ProcessManager, name="careless"):
        @start(by="transfer")
        def requested(self, event: Requested) -> Iterable[Command[Any]]:
            yield Withdraw(account=event.source, amount=event.amount)

    class Careful(Careless, name="careless"):
        @rejected
        def refused(self, command: Withdraw, reason: Rejected) -> Iterable[Command[Any]]:
            yield Deposit(account=command.account, amount=command.amount)

    store = MemoryStore()
    careless = Domain("bank", aggregates=[Account, TransferRequest], handlers=[Careless()])
    async with Runtime(careless, store=store) as runtime:
        await request(runtime)
        await until(lambda: errors(runtime))
        [error] = await errors(runtime)
        assert "add a method marked @rejected" in error
        assert runtime.healthy
    careful = Domain("bank", aggregates=[Account, TransferRequest], handlers=[Careful()])
    async with Runtime(careful, store=store) as runtime:
        assert len(await errors(runtime)) == 1
        assert await runtime.processes.release("careless") == 1
        await until(lambda: balance_is(runtime, "a", 7))
        assert not await errors(runtime)


async def errors(runtime: Runtime) -> list[str]:
    """Why inputs were set aside."""
    found = await runtime.processes.list()
    return [item.error for status in found for item in status.commands if item.error]


async def test_on_failure_stop_stops_at_a_refusal() -> None:
    class Strict(ProcessManager, name="strict", on_failure="stop"):
        @start(by="transfer")
        def requested(self, event: Requested) -> Iterable[Command[Any]]:
            yield Withdraw(account=event.source, amount=event.amount)

    strict = Domain("bank", aggregates=[Account, TransferRequest], handlers=[Strict()])
    async with Runtime(strict, store=MemoryStore()) as runtime:
        await request(runtime)
        await until(lambda: next(iter(runtime.subscriptions.values())).state == "stopped")
        [status] = runtime.subscriptions.values()
        assert "UnhandledRefusal" in (status.error or "")


async def test_on_failure_skip_drops_a_refusal() -> None:
    class Lenient(ProcessManager, name="lenient", on_failure="skip"):
        @start(by="transfer")
        def requested(self, event: Requested) -> Iterable[Command[Any]]:
            yield Withdraw(account=event.source, amount=event.amount)

    lenient = Domain("bank", aggregates=[Account, TransferRequest], handlers=[Lenient()])
    async with Runtime(lenient, store=MemoryStore()) as runtime:
        await request(runtime)
        await until(lambda: waits_for_nothing(runtime))


async def waits_for_nothing(runtime: Runtime) -> bool:
    found = await runtime.processes.list()
    return bool(found) and not any(status.commands for status in found)


async def test_a_command_can_be_sent_later_and_ends_with_its_instance() -> None:
    class Later(ProcessManager, name="later"):
        @start(by="transfer")
        def requested(self, event: Requested) -> Iterable[Schedule]:
            yield Schedule(Deposit(account="soon", amount=1), after=timedelta(0))
            yield Schedule(Deposit(account="never", amount=1), after=timedelta(hours=1))

        @proceed(by=lambda event: "t" if event.amount == 1 else None)
        def deposited(self, event: Deposited) -> Iterable[Command[Any]]:
            yield End(transfer="t", outcome="done")

        @finish(by="transfer")
        def ended(self, event: Ended) -> None: ...

    later = Domain("bank", aggregates=[Account, TransferRequest], handlers=[Later()])
    async with Runtime(later, store=MemoryStore()) as runtime:
        await request(runtime)
        await until(lambda: balance_is(runtime, "soon", 1))
        await until(lambda: outcomes(runtime, "t"))
        key = SubscriptionKey("bank", "later")
        await until(lambda: is_gone(runtime))
        assert await runtime.store.processes.next_due(key) is None


async def is_gone(runtime: Runtime) -> bool:
    return not await runtime.processes.list()


async def test_a_command_that_the_domain_no_longer_knows_is_refused() -> None:
    store = MemoryStore()
    async with bank(store) as runtime:
        await runtime.pause("transfer")
        await request(runtime)
    claim = await claimed(store)
    sent = OutgoingCommand("x", UUID(int=1), UUID(int=2), "Gone", b"{}", None, None, None)
    state = ProcessState("x", UUID(int=1), datetime.now(UTC), b"{}")
    await store.processes.commit(claim, 0, ProcessChanges(states=[state], commands=[sent]))
    await store.subscriptions.release("test", [KEY])
    async with bank(store) as runtime:
        await until(lambda: errors(runtime))
        [error] = await errors(runtime)
        assert "Gone" in error


async def claimed(store: MemoryStore) -> Claim:
    await store.subscriptions.resume("bank", "transfer")
    [claim] = await store.subscriptions.claim("test", [KEY], lease=3600)
    return claim


class Bumpy(ProcessManager, name="bumpy"):
    """Notes what happens to it; a deposit fails while it is broken."""

    broken = True
    seen: tuple[str, ...] = ()

    @start(by="transfer")
    def requested(self, event: Requested) -> Iterable[Command[Any] | Schedule]:
        yield Withdraw(account="poor", amount=event.amount, transfer=event.transfer)
        yield TooLate().after(timedelta(minutes=1))

    @proceed(by="transfer")
    def deposited(self, event: Deposited) -> None:
        if type(self).broken:
            raise ZeroDivisionError("not yet")
        self.seen += ("deposited",)

    @rejected
    def refused(self, command: Withdraw, reason: Rejected) -> None:
        self.seen += ("refused",)

    @expired
    def late(self, timer: TooLate) -> None:
        self.seen += ("late",)


async def test_a_parked_event_blocks_the_refusals_and_timers_of_its_instance() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    bumpy = Domain("bank", aggregates=[Account, TransferRequest], handlers=[Bumpy()])

    async def has_seen(runtime: Runtime, instance: str, *expected: str) -> bool:
        found = await runtime.processes.list("bumpy")
        states = {item.instance: item.state or {} for item in found}
        return instance in states and tuple(states[instance]["seen"]) == expected

    async def is_parked(runtime: Runtime) -> bool:
        return bool(await runtime.parked("bumpy"))

    Bumpy.broken = True
    async with Runtime(bumpy, store=store, subscriptions=False) as clients:
        async with Runtime(bumpy, store=store):
            pass  # registers it
        await request(clients, "t")
        await clients.dispatch(Deposit(account="b", amount=1, transfer="t"))
        await request(clients, "free")
    async with Runtime(bumpy, store=store, retry=Retry(attempts=1)) as runtime:
        await until(lambda: is_parked(runtime))
        await until(lambda: has_seen(runtime, "free", "refused"))
        clock.now += timedelta(minutes=2)
        await until(lambda: has_seen(runtime, "free", "refused", "late"))
        assert await has_seen(runtime, "t")
        Bumpy.broken = False
        await runtime.retry("bumpy")
        await until(lambda: has_seen(runtime, "t", "deposited", "refused", "late"))


async def test_what_a_long_batch_has_handled_is_committed_before_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch_limit, "HANDLING_SECONDS", 0.0)
    monkeypatch.setattr(time_slice, "_MOST_SECONDS", 0.0)
    seen: list[str] = []

    class Failing(ProcessManager, name="failing"):
        """Fails once, at the last of five."""

        @start(by="transfer")
        def requested(self, event: Requested) -> None:
            seen.append(event.transfer)
            if len(seen) == 5:
                raise ZeroDivisionError("once")

    failing = Domain("bank", aggregates=[TransferRequest], handlers=[Failing()])
    store = MemoryStore()
    async with Runtime(failing, store=store, subscriptions=False) as clients:
        async with Runtime(failing, store=store):
            pass  # registers it
        for number in range(5):
            await request(clients, str(number))
        head = await store.head()
    async with Runtime(failing, store=store, retry=Retry(first=0.001)) as runtime:
        await runtime.wait(head)
        assert [found.instance for found in await runtime.processes.list()] == list("01234")
    # What was handled before the failure is not handled again.
    assert seen == list("012344")
