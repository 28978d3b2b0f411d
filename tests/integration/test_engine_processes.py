"""Several processes on one store: ownership of subscriptions, and recovery when one is killed."""

import asyncio
from collections.abc import Sequence
from typing import cast

from chekov import Runtime
from chekov.embedded_postgres import EmbeddedPostgres
from chekov.errors import ChekovError
from tests.integration.engine_domain import Totals, counting
from tests.integration.engine_process import LEASE, process
from tests.unit.engine.counter_domain import Add, AddAtMost, Counter, Seen, TooMuch, status
from tests.waiting import until


async def seen(runtime: Runtime) -> Sequence[int]:
    return cast("Sequence[int]", await runtime.query("totals", "seen", {}))


async def test_commands_to_one_aggregate_through_two_processes_lose_no_update(dsn: str) -> None:
    domain = counting()
    async with Runtime(domain, store=dsn) as one, Runtime(domain, store=dsn) as two:

        async def worker(runtime: Runtime) -> int:
            stored = 0
            while True:
                try:
                    await runtime.dispatch(
                        AddAtMost(counter="shared", amount=1, limit=60), timeout=240
                    )
                except TooMuch:
                    return stored
                stored += 1

        stored = await asyncio.gather(worker(one), worker(two), worker(one), worker(two))
        assert sum(stored) == 60
        for runtime in (one, two):
            loaded = await runtime.load(Counter, "shared")
            assert (loaded.state.total, loaded.version) == (60, 60)


async def test_one_process_owns_a_subscription_and_the_other_takes_over(dsn: str) -> None:
    first, second = Seen(), Seen()
    async with Runtime(counting(second), store=dsn, lease=LEASE, node="two") as two:
        async with Runtime(counting(first), store=dsn, lease=LEASE, node="one") as one:
            for amount in range(1, 11):
                await one.dispatch(Add(counter="a", amount=amount), consistency="strong")
            assert [status(one, "seen").owned, status(two, "seen").owned].count(True) == 1
        await two.dispatch(Add(counter="a", amount=11), consistency="strong")
        await until(lambda: status(two, "seen").owned)
    assert sorted(first.amounts + second.amounts) == list(range(1, 12))


async def test_a_projection_continues_exactly_once_when_its_owner_is_killed(dsn: str) -> None:
    async with process(dsn, commands=300) as owner:
        await owner.says("owned")
        async with Runtime(counting(Totals()), store=dsn, lease=LEASE, node="heir") as heir:
            assert not status(heir, "totals").owned
            await until(lambda: status(heir, "totals").position > 50)
            await owner.kill()
            head = await heir.store.head()
            assert head > 50
            await heir.dispatch(Add(counter="heir", amount=1))
            await heir.wait(head + 1, timeout=240)
            assert status(heir, "totals").owned
            assert await seen(heir) == list(range(1, head + 2))


async def test_killing_owners_repeatedly_loses_nothing(dsn: str) -> None:
    async with Runtime(counting(), store=dsn) as commands:
        for round_ in range(3):
            async with process(dsn, commands=10_000) as owner:
                await owner.says("owned")
                before = await commands.store.head()
                for amount in range(20):
                    await commands.dispatch(Add(counter=f"b-{round_}", amount=amount + 1))
                await until(lambda before=before: moved(commands, before))
        head = await commands.store.head()
    async with Runtime(counting(Totals()), store=dsn, lease=LEASE) as last:
        await last.wait(head, timeout=240)
        assert await seen(last) == list(range(1, head + 1))


async def moved(runtime: Runtime, position: int) -> bool:
    (row,) = await runtime.store.subscriptions.list("counting")
    return row.position > position


async def test_killing_postgres_under_load_loses_nothing(private_server: EmbeddedPostgres) -> None:
    server = private_server
    acknowledged: list[int] = []
    stopping = asyncio.Event()

    async def load(runtime: Runtime, worker: int) -> None:
        while not stopping.is_set():
            try:
                done = await runtime.dispatch(Add(counter=str(worker), amount=1), timeout=240)
                acknowledged.append(done.position)
            except ChekovError:
                continue

    async with Runtime(counting(Totals()), store=server.dsn, lease=LEASE) as runtime:
        async with asyncio.TaskGroup() as group:
            for worker in range(8):
                group.create_task(load(runtime, worker))
            for _ in range(2):
                count = len(acknowledged)
                await until(lambda count=count: len(acknowledged) > count + 200)
                await server.kill()
                await server.start()
            count = len(acknowledged)
            await until(lambda count=count: len(acknowledged) > count + 200)
            stopping.set()
        head = await runtime.store.head()
        await runtime.wait(head, timeout=240)
        assert await seen(runtime) == list(range(1, head + 1))
        assert len(set(acknowledged)) == len(acknowledged)
        assert runtime.healthy
        assert await runtime.store.subscriptions.parked("counting", "totals") == []
        for worker in range(8):
            loaded = await runtime.load(Counter, str(worker))
            assert loaded.state.total == loaded.version
