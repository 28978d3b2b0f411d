"""Recurring commands over a store in memory, whose clock the tests move."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from chekov import (
    CommandEnvelope,
    Domain,
    MemoryStore,
    Runtime,
    TooManyRecurring,
    UnknownCommand,
)
from chekov.domain.middleware import Next
from chekov.domain.recurrence import Missed
from chekov.engine.processes import scheduled_commands
from chekov.engine.processes.recurring_commands import MOST_WAITING, run_id
from chekov.engine.processes.schedule_control import ScheduledStatus
from chekov.store.port import RecurringCommand
from tests.unit.engine.processes.test_process_managers import Clock, balance_is
from tests.unit.engine.processes.test_scheduled_commands import accounts, reasons
from tests.unit.engine.processes.transfers import Account, Deposit, Request, Withdraw
from tests.waiting import until

ID = UUID(int=7)
DAY = timedelta(days=1)
DEPOSIT = Deposit(account="a", amount=5)
DAILY = "0 12 * * *"


async def recurring(runtime: Runtime) -> ScheduledStatus:
    """The only recurring command."""
    [found] = [item for item in await runtime.scheduled.list() if item.cron]
    return found


async def daily(runtime: Runtime, clock: Clock, missed: Missed = "once") -> datetime:
    """Deposit 5 every noon; return when that is first due."""
    assert await runtime.schedule(DEPOSIT, cron=DAILY, missed=missed, id=ID) == ID
    due = (await recurring(runtime)).due
    assert clock.now < due <= clock.now + DAY
    return due


async def test_each_run_is_executed_once_with_an_id_of_its_own() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    async with accounts(store) as one, accounts(store):
        due = await daily(one, clock)
        for day in range(3):
            clock.now = due + day * DAY
            await until(lambda day=day: balance_is(one, "a", 5 * (day + 1)))
        events = await store.read_stream("account-a")
        assert [event.causation_id for event in events] == [
            uuid5(ID, (due + day * DAY).isoformat()) for day in range(3)
        ]
        assert (await recurring(one)).due == due + 3 * DAY


def test_the_id_of_a_run_follows_from_its_due_time() -> None:
    due = datetime(2026, 1, 31, 23, tzinfo=UTC)
    assert run_id(ID, due) == uuid5(ID, "2026-01-31T23:00:00+00:00")
    assert run_id(ID, due.astimezone()) == run_id(ID, due)


@pytest.mark.parametrize(("missed", "runs"), [("once", 1), ("skip", 0), ("all", 5)])
async def test_an_outage_is_made_up_for_at_once(missed: Missed, runs: int) -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    async with accounts(store, subscriptions=False) as runtime:
        due = await daily(runtime, clock, missed)
    clock.now = due + timedelta(days=4, hours=1)
    async with accounts(store) as runtime:
        await until(lambda: balance_is(runtime, "a", 5 * runs))
        clock.now = due + 5 * DAY
        await until(lambda: balance_is(runtime, "a", 5 * (runs + 1)))
        assert (await recurring(runtime)).due == due + 6 * DAY


async def test_a_long_outage_is_made_up_for_page_by_page() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    async with accounts(store, subscriptions=False) as runtime:
        due = await daily(runtime, clock, "all")
    clock.now = due + 250 * DAY
    async with accounts(store) as runtime:
        await until(lambda: balance_is(runtime, "a", 5 * 251))


async def test_it_ends_when_it_is_cancelled() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    async with accounts(store) as runtime:
        due = await daily(runtime, clock)
        assert await runtime.scheduled.cancel(ID)
        assert not await runtime.scheduled.cancel(ID)
        clock.now = due
        await runtime.schedule(Deposit(account="b", amount=1), at=due)
        await until(lambda: balance_is(runtime, "b", 1))
        assert await balance_is(runtime, "a", 0)


async def test_a_backlog_does_not_keep_newer_commands_back() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    async with accounts(store, subscriptions=False) as runtime:
        await runtime.schedule(DEPOSIT, cron="* * * * *", missed="all", id=ID)
        clock.now += 3 * DAY
        await runtime.schedule(Deposit(account="b", amount=1), at=clock.now)
    async with accounts(store) as runtime:
        await until(lambda: balance_is(runtime, "b", 1))
        [newer] = await store.read_stream("account-b")
        assert newer.position < 500


async def test_a_backlog_of_runs_that_take_long_leaves_room_for_other_commands() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    go_on = asyncio.Event()

    class Slow:
        async def __call__(self, envelope: CommandEnvelope[Any], following: Next) -> Any:
            if envelope.command == DEPOSIT:
                await go_on.wait()
            return await following(envelope)

    slow = Domain("bank", aggregates=[Account], middleware=[Slow()])
    async with Runtime(slow, store=store, subscriptions=False) as runtime:
        await runtime.schedule(DEPOSIT, cron="* * * * *", missed="all", id=ID)
        clock.now += DAY
        for number in range(300):
            await runtime.schedule(Deposit(account=f"b{number}", amount=1), at=clock.now)
    async with Runtime(slow, store=store, command_timeout=3600) as runtime:
        await until(lambda: balance_is(runtime, "b299", 1))
        waiting = [item for item in await runtime.scheduled.list() if item.recurring]
        assert len(waiting) <= MOST_WAITING
        assert await balance_is(runtime, "a", 0)
        go_on.set()
        await until(lambda: balance_is(runtime, "a", 5 * 24 * 60))


async def test_one_whose_runs_wait_does_not_delay_other_commands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next command is executed when it is due, without another look meanwhile."""
    monkeypatch.setattr(scheduled_commands, "_LOOK_SECONDS", 3600.0)
    store, go_on = MemoryStore(), asyncio.Event()

    class Slow:
        async def __call__(self, envelope: CommandEnvelope[Any], following: Next) -> Any:
            if envelope.command == DEPOSIT:
                await go_on.wait()
            return await following(envelope)

    slow = Domain("bank", aggregates=[Account], middleware=[Slow()])
    item = RecurringCommand(
        ID, "Deposit", b'{"account":"a","amount":5}', datetime.now(UTC) - 2 * DAY,
        "* * * * *", "UTC", "all",
    )  # fmt: skip
    await store.schedules.add_recurring("bank", item)
    async with Runtime(slow, store=store, command_timeout=3600) as runtime:

        async def are_at_their_limit() -> bool:
            runs = [run for run in await runtime.scheduled.list() if run.recurring]
            return len(runs) == MOST_WAITING and all(run.attempts for run in runs)

        await until(are_at_their_limit)
        for name, seconds in (("b", 0.1), ("c", 0.2)):
            await runtime.schedule(
                Deposit(account=name, amount=1), after=timedelta(seconds=seconds)
            )
        await until(lambda: balance_is(runtime, "c", 1))
        assert await balance_is(runtime, "b", 1)
        go_on.set()


async def test_a_domain_may_have_only_so_many() -> None:
    async with accounts(subscriptions=False, max_recurring=1) as runtime:
        await runtime.schedule(DEPOSIT, cron=DAILY, id=ID)
        await runtime.schedule(DEPOSIT, cron=DAILY, id=ID)
        with pytest.raises(TooManyRecurring, match="cancel those that nobody needs, or raise"):
            await runtime.schedule(DEPOSIT, cron=DAILY)
        assert await runtime.scheduled.cancel(ID)
        await runtime.schedule(DEPOSIT, cron=DAILY)


async def test_a_run_that_is_refused_does_not_end_it() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    async with accounts(store) as runtime:
        await runtime.schedule(Withdraw(account="a", amount=5), cron=DAILY, id=ID)
        due = (await recurring(runtime)).due
        clock.now = due
        await until(lambda: reasons(runtime))
        [refused] = [item for item in await runtime.scheduled.list() if item.error]
        assert refused.recurring == ID
        assert (await recurring(runtime)).due == due + DAY
        await runtime.dispatch(DEPOSIT)
        clock.now = due + DAY
        await until(lambda: balance_is(runtime, "a", 0))


async def test_it_stays_as_it_is_when_it_is_scheduled_again() -> None:
    async with accounts() as runtime:
        await runtime.schedule(DEPOSIT, cron="0 0 1 * *", timezone="Europe/Berlin", id=ID)
        before = await recurring(runtime)
        await runtime.schedule(DEPOSIT, cron="0 0 2 * *", id=ID)
        assert await recurring(runtime) == before
        assert (before.cron, before.timezone) == ("0 0 1 * *", "Europe/Berlin")
        assert (before.command, before.missed) == ("Deposit", "once")


async def test_both_kinds_are_listed_by_time_page_by_page() -> None:
    async with accounts(subscriptions=False) as runtime:
        now = datetime.now(UTC)
        for number in range(3):
            await runtime.schedule(DEPOSIT, at=now + 400 * DAY, id=UUID(int=number))
            await runtime.schedule(DEPOSIT, cron="0 0 1 1 *", id=UUID(int=10 + number))
        found: list[ScheduledStatus] = []
        while page := await runtime.scheduled.list(
            after=(found[-1].due, found[-1].id) if found else None, limit=2
        ):
            found += page
        assert [item.id.int for item in found] == [10, 11, 12, 0, 1, 2]


async def test_what_makes_no_sense_is_refused() -> None:
    async with accounts() as runtime:
        schedule = runtime.schedule
        with pytest.raises(ValueError, match="cannot be used: Bad minute"):
            await schedule(DEPOSIT, cron="x 0 1 * *")
        with pytest.raises(ValueError, match="not several"):
            await schedule(DEPOSIT, cron=DAILY, after=DAY)
        with pytest.raises(ValueError, match="are for cron="):
            await schedule(DEPOSIT, after=DAY, timezone="UTC")
        with pytest.raises(ValueError, match="are for cron="):
            await schedule(DEPOSIT, after=DAY, missed="all")
        with pytest.raises(UnknownCommand):
            await schedule(Request(transfer="t", source="a", target="b", amount=1), cron=DAILY)
        assert not await runtime.scheduled.list()


@pytest.mark.parametrize("number", [1, 250])
async def test_those_of_an_unknown_zone_wait_and_hold_nothing_back(
    number: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Another process may have a newer list of zones."""
    clock = Clock()
    store = MemoryStore(clock=clock)
    async with accounts(store, subscriptions=False) as runtime:
        await daily(runtime, clock)
    [item] = await store.schedules.list_recurring("bank")
    for each in range(number):
        await store.schedules.add_recurring(
            "bank", item._replace(id=UUID(int=100 + each), timezone="Mars/Olympus", due=clock.now)
        )
    clock.now = item.due
    async with accounts(store) as runtime:
        await until(lambda: balance_is(runtime, "a", 5))
        assert runtime.healthy
    assert "a recurring command cannot run here" in caplog.messages
