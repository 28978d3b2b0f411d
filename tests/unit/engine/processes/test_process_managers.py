"""Process managers over a store in memory: what their instances see, send and leave behind."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from chekov import MemoryStore, Retry, Runtime
from chekov.engine.commands.execution import CAUSE
from chekov.serialization.codec import decode_metadata
from chekov.store.port import SubscriptionKey
from tests.unit.engine.processes.transfers import (
    PATIENCE,
    Account,
    Deposit,
    Request,
    TransferRequest,
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
    return (await runtime.load(Account, account)).state.balance


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
        await until(lambda: balance_is(runtime, "a", 9))
        [found] = await store.processes.list("bank")
        [timer] = found.timers
        assert timer.due == found.state.begun + PATIENCE
    clock.now += PATIENCE
    async with bank(store):
        await until(lambda: state_holds(store, b"late after 5"))
        [found] = await store.processes.list("bank")
        assert not found.timers


async def state_holds(store: MemoryStore, text: bytes) -> bool:
    return text in (await store.processes.list("bank"))[0].state.data


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
