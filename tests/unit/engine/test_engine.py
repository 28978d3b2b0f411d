import asyncio
from collections.abc import Iterable

import pytest

from chekov import CommandHandler, Domain, MemoryStore, Runtime, execute
from chekov.errors import StoreError
from chekov.store.port import SubscriptionKey
from examples.bank.bank import domain as bank
from tests.doubles import OwnEvents
from tests.unit.engine.counter_domain import Add, Added, Counter, Note, Noted, Seen, status
from tests.unit.engine.running import QUICK, running
from tests.waiting import until


async def test_draining_gives_up_on_a_handler_that_does_not_end() -> None:
    started = asyncio.Event()

    async def never_end(event: Added) -> None:
        started.set()
        await asyncio.Event().wait()

    store = MemoryStore()
    seen = Seen()
    async with running(store, Seen(never_end)) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await started.wait()
        await runtime.drain(0.05)
    async with running(store, seen) as runtime:
        await runtime.wait(1)
    assert seen.amounts == [1]


async def test_a_background_task_that_dies_ends_the_runtime_with_its_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(OwnEvents):
        broken = False

        async def head(self) -> int:
            if self.broken:
                raise ZeroDivisionError("the store is broken")
            return await super().head()

    store = Broken()
    runtime = running(store, Seen())

    async def run() -> None:
        async with runtime:
            store.broken = True
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert not runtime.healthy
    assert caught.group_contains(ZeroDivisionError, match="the store is broken")
    assert "leases" in [vars(record).get("task") for record in caplog.records]


async def test_projections_need_a_database() -> None:
    with pytest.raises(StoreError, match=r"balances, or subscriptions=False"):
        async with Runtime(bank, store=MemoryStore()):
            pass
    async with Runtime(bank, store=MemoryStore(), subscriptions=False):
        pass


async def test_a_handler_that_dispatches_during_the_shutdown_loses_no_event() -> None:
    """It is refused, which is not its fault; the next process handles the event."""
    store = MemoryStore()
    entered, gate = asyncio.Event(), asyncio.Event()

    async def echo(event: Added) -> None:
        entered.set()
        await gate.wait()
        await runtime.dispatch(Note(counter="echo", text=str(event.amount)))

    class Slow(CommandHandler):
        @execute
        async def note(self, command: Note, counter: Counter) -> Iterable[Noted]:
            started.set()
            await gate.wait()
            return counter.note(command)

    started = asyncio.Event()
    handler, heir = Seen(echo), Seen()
    domain = Domain("counting", aggregates=[Counter], handlers=[handler], command_handlers=[Slow()])
    async with asyncio.TaskGroup() as group:
        async with Runtime(domain, store=store, retry=QUICK) as runtime:
            in_flight = group.create_task(runtime.dispatch(Note(counter="slow", text="")))
            await runtime.dispatch(Add(counter="a", amount=1))
            await entered.wait()
            await started.wait()
            draining = group.create_task(runtime.drain())
            await until(lambda: runtime.drained)
            gate.set()
            await draining
        assert (await in_flight).version == 1
    async with running(store, heir) as runtime:
        await runtime.wait(2)
        assert await store.subscriptions.parked("counting", "seen") == []
    assert heir.amounts == [1]


async def test_subscriptions_are_given_up_before_commands_in_flight_are_done() -> None:
    """So another process goes on with them meanwhile."""
    store = MemoryStore()
    started, gate = asyncio.Event(), asyncio.Event()

    class Slow(CommandHandler):
        @execute
        async def note(self, command: Note, counter: Counter) -> Iterable[Noted]:
            started.set()
            await gate.wait()
            return counter.note(command)

    domain = Domain("counting", aggregates=[Counter], handlers=[Seen()], command_handlers=[Slow()])
    heir = Seen()
    async with asyncio.TaskGroup() as group, Runtime(domain, store=store) as old:
        await until(lambda: status(old, "seen").owned)
        strong = group.create_task(
            old.dispatch(Note(counter="a", text=""), consistency="strong", consistency_timeout=240)
        )
        await started.wait()
        async with running(store, heir, node="heir") as new:
            draining = group.create_task(old.drain())
            await until(lambda: status(new, "seen").owned)
            assert not strong.done()
            gate.set()
            assert (await strong).position == 1
            await draining


async def test_versions_of_a_name_have_a_status_each() -> None:
    """While a release replaces another, both have rows in the store."""
    store = MemoryStore()

    class NewSeen(Seen, name="seen", version=2, consistency="strong"):
        pass

    async with running(store, Seen()) as old, running(store, NewSeen()) as new:
        await old.dispatch(Add(counter="a", amount=1), consistency="strong")
        await new.wait(1)
        for runtime, version in ((old, 1), (new, 2)):
            [(key, found)] = runtime.subscriptions.items()
            assert key == SubscriptionKey("counting", "seen", version, partition=0)
            assert (found.version, found.partition, found.position) == (version, 0, 1)
