from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from chekov import Domain, InvalidCommand, MemoryStore, Principal, Runtime, UnknownCommand
from chekov.domain.principal import ANONYMOUS
from chekov.store.port import ScheduledCommand
from tests.unit.engine.processes.test_process_managers import Clock, balance_is
from tests.unit.engine.processes.transfers import Account, Deposit, Request, Withdraw
from tests.waiting import until

NOW = timedelta(0)
ID = UUID(int=7)


@asynccontextmanager
async def accounts(
    store: MemoryStore | None = None, *, subscriptions: bool = True, max_recurring: int = 1000
) -> AsyncGenerator[Runtime]:
    async with Runtime(
        Domain("bank", aggregates=[Account]),
        store=store or MemoryStore(),
        subscriptions=subscriptions,
        max_recurring=max_recurring,
    ) as runtime:
        yield runtime


async def is_empty(runtime: Runtime) -> bool:
    return not await runtime.scheduled.list()


async def test_a_command_is_executed_when_it_is_due() -> None:
    async with accounts() as runtime:
        id_ = await runtime.schedule(
            Deposit(account="a", amount=5), after=NOW, correlation_id=ID, metadata={"by": "clock"}
        )
        await runtime.schedule(Deposit(account="a", amount=1), after=timedelta(hours=1))
        await until(lambda: balance_is(runtime, "a", 5))
        [event] = await runtime.store.read_stream("account-a")
        assert (event.causation_id, event.correlation_id) == (id_, ID)
        assert b'"by":"clock"' in (event.metadata or b"")
        await until(lambda: has(runtime, 1))


async def test_its_events_show_on_whose_behalf_it_was_scheduled() -> None:
    ada = Principal("ada", {"role": "teller"})
    async with accounts() as runtime:
        deposit = Deposit(account="a", amount=5)
        await runtime.schedule(deposit, after=NOW, principal=ada, metadata={"by": "clock"})
        await until(lambda: balance_is(runtime, "a", 5))
        [event] = await runtime.store.read_stream("account-a")
        assert (event.metadata or b"").startswith(b'{"by":"clock","$principal":"ada"')
        with pytest.raises(InvalidCommand, match="pass principal="):
            await runtime.schedule(deposit, after=NOW, metadata={"$principal": "eve"})


async def test_a_run_of_a_recurring_command_shows_it_too() -> None:
    clock = Clock()
    async with accounts(MemoryStore(clock=clock)) as runtime:
        deposit = Deposit(account="a", amount=5)
        await runtime.schedule(deposit, cron="0 12 * * *", principal=Principal("ada"))
        clock.now += timedelta(days=1)
        await until(lambda: balance_is(runtime, "a", 5))
        [event] = await runtime.store.read_stream("account-a")
        assert b'"$principal":"ada"' in (event.metadata or b"")


@pytest.mark.parametrize("principal", [Principal("ada"), ANONYMOUS, None], ids=str)
async def test_a_domain_may_keep_it_out(principal: Principal | None) -> None:
    domain = Domain("bank", aggregates=[Account], record_principal=False)
    async with Runtime(domain, store=MemoryStore()) as runtime:
        await runtime.schedule(Deposit(account="a", amount=5), after=NOW, principal=principal)
        await until(lambda: balance_is(runtime, "a", 5))
        [event] = await runtime.store.read_stream("account-a")
        assert b"$principal" not in (event.metadata or b"")


async def has(runtime: Runtime, number: int) -> bool:
    return len(await runtime.scheduled.list()) == number


async def test_a_command_of_one_id_is_scheduled_and_executed_once() -> None:
    async with accounts() as runtime:
        for _ in range(3):
            assert await runtime.schedule(Deposit(account="a", amount=5), after=NOW, id=ID) == ID
        await until(lambda: balance_is(runtime, "a", 5))
        await until(lambda: is_empty(runtime))
        await runtime.schedule(Deposit(account="a", amount=5), after=NOW, id=ID)
        await until(lambda: is_empty(runtime))
        assert await balance_is(runtime, "a", 5)


async def test_what_became_due_in_an_outage_is_executed_at_once() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    due = clock.now + timedelta(days=1)
    async with accounts(store) as runtime:
        await runtime.schedule(Deposit(account="a", amount=5), at=due)
        [waiting] = await runtime.scheduled.list()
        assert (waiting.command, waiting.due, waiting.attempts) == ("Deposit", due, 0)
    clock.now += timedelta(days=2)
    async with accounts(store) as runtime:
        await until(lambda: balance_is(runtime, "a", 5))


async def test_two_processes_execute_each_command_once() -> None:
    store = MemoryStore()
    async with accounts(store) as one, accounts(store) as two:
        for number in range(200):
            runtime = (one, two)[number % 2]
            await runtime.schedule(Deposit(account=f"a{number % 7}", amount=1), after=NOW)
        await until(lambda: is_empty(one))
        assert await store.head() == 200


async def test_a_cancelled_command_is_not_executed() -> None:
    store = MemoryStore()
    async with accounts(store, subscriptions=False) as runtime:
        await runtime.schedule(Deposit(account="a", amount=5), after=NOW, id=ID)
        assert await runtime.scheduled.cancel(ID)
        assert not await runtime.scheduled.cancel(ID)
    async with accounts(store) as runtime:
        await runtime.schedule(Deposit(account="b", amount=1), after=NOW)
        await until(lambda: balance_is(runtime, "b", 1))
        assert await balance_is(runtime, "a", 0)


async def test_a_refused_command_is_kept_with_its_reason() -> None:
    async with accounts() as runtime:
        await runtime.schedule(Withdraw(account="a", amount=5), after=NOW, id=ID)
        await until(lambda: reasons(runtime))
        assert await reasons(runtime) == ["Overdrawn: 5 are missing"]
        assert runtime.healthy


async def reasons(runtime: Runtime) -> list[str]:
    return [item.error for item in await runtime.scheduled.list() if item.error]


async def test_a_command_that_fails_is_sent_again() -> None:
    store = MemoryStore()
    async with accounts(store) as runtime:
        await runtime.schedule(Deposit(account="broken", amount=5), after=NOW)
        await until(lambda: was_sent(runtime))
        [waiting] = await runtime.scheduled.list()
        assert (waiting.error, runtime.healthy) == (None, True)


async def was_sent(runtime: Runtime) -> bool:
    return any(item.attempts for item in await runtime.scheduled.list())


async def test_many_that_are_due_at_once_do_not_overload_the_process(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    domain = Domain("bank", aggregates=[Account])
    async with Runtime(domain, store=store, subscriptions=False) as runtime:
        for number in range(1000):
            await runtime.schedule(Deposit(account=f"a{number}", amount=1), after=NOW)
    async with Runtime(domain, store=store, max_in_flight=200) as runtime:
        await until(lambda: is_empty(runtime))
        assert await store.head() == 1000
    assert "a scheduled command is sent again" not in caplog.messages


async def test_a_command_that_only_newer_code_reads_is_left_to_it() -> None:
    """As long as a rollout may take; then it is refused."""
    clock = Clock()
    store = MemoryStore(clock=clock)
    data = b'{"account":"a","amount":1,"note":"new"}'
    item = ScheduledCommand(ID, "Deposit", data, clock.now, attempts=18)
    await store.schedules.add("bank", item)
    await store.schedules.add("bank", item._replace(id=UUID(int=8), command="Later"))
    async with accounts(store) as runtime:
        for attempts in (19, 20):
            await until(lambda attempts=attempts: were_sent(runtime, attempts))
            assert not await reasons(runtime)
            clock.now += timedelta(seconds=16)

        async def both_refused() -> bool:
            return len(await reasons(runtime)) == 2

        await until(both_refused)
        assert {reason.partition(":")[0] for reason in await reasons(runtime)} == {
            "InvalidCommand",
            "UnknownCommand",
        }


async def were_sent(runtime: Runtime, attempts: int) -> bool:
    return all(item.attempts == attempts for item in await runtime.scheduled.list())


async def test_what_cannot_be_executed_is_refused_at_once() -> None:
    async with accounts() as runtime:
        with pytest.raises(UnknownCommand, match="Request"):
            await runtime.schedule(
                Request(transfer="t", source="a", target="b", amount=1), after=NOW
            )
        with pytest.raises(InvalidCommand):
            await runtime.schedule(Deposit(account="a", amount="5"), after=NOW)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(ValueError, match="not neither"):
            await runtime.schedule(Deposit(account="a", amount=5))
        with pytest.raises(ValueError, match="has no zone"):
            await runtime.schedule(
                Deposit(account="a", amount=5),
                at=datetime.now(UTC).replace(tzinfo=None),
            )
        assert await is_empty(runtime)
