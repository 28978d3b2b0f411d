import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from chekov import DefinitionError, Projection, Runtime, Transaction, handle
from chekov.domain.failure import Retry
from chekov.engine.subscriptions.status import SubscriptionStatus
from tests.integration.engine_domain import NewTotals, StoppingTotals, Totals, counting
from tests.unit.engine import counter_domain
from tests.unit.engine.counter_domain import Add, Added, Note
from tests.waiting import passed, until

QUICK = Retry(attempts=3, first=0.001)


async def add(runtime: Runtime, *amounts: int, apart: bool = False) -> None:
    """With `apart`, each to a counter of its own."""
    for amount in amounts:
        await runtime.dispatch(Add(counter=str(amount) if apart else "a", amount=amount))


async def seen(runtime: Runtime) -> Sequence[int]:
    return cast("Sequence[int]", await runtime.query("totals", "seen", {}))


async def total(runtime: Runtime, counter: str = "counter-a") -> object:
    return await runtime.query("totals", "total", {"counter": counter})


def status(runtime: Runtime) -> SubscriptionStatus:
    return counter_domain.status(runtime, "totals")


async def test_a_projection_handles_each_event_once_and_answers_queries(dsn: str) -> None:
    async with Runtime(counting(Totals()), store=dsn) as runtime:
        for amount in range(1, 31):
            await runtime.dispatch(Add(counter="a", amount=amount), consistency="strong")
            assert await total(runtime) == amount * (amount + 1) // 2
        assert await total(runtime, "counter-b") is None
        assert await seen(runtime) == list(range(1, 31))


async def test_a_projection_catches_up_in_large_transactions(dsn: str) -> None:
    transactions: set[int] = set()

    async def note_transaction(event: Added, transaction: Transaction) -> None:
        current = await transaction.connection.fetchval("select txid_current()")
        transactions.add(current)
        assert transaction.replaying

    async with Runtime(counting(), store=dsn) as runtime, asyncio.TaskGroup() as group:
        for worker in range(50):
            group.create_task(dispatch_all(runtime, worker, 50))
    async with Runtime(counting(Totals(note_transaction)), store=dsn) as runtime:
        await runtime.wait(2500, timeout=240)
        assert await seen(runtime) == list(range(1, 2501))
    # One ends early when a slow machine takes long for it.
    assert len(transactions) < 250


async def dispatch_all(runtime: Runtime, worker: int, count: int) -> None:
    for _ in range(count):
        await runtime.dispatch(Add(counter=str(worker), amount=1))


async def test_a_restart_continues_after_the_last_commit(dsn: str) -> None:
    for amount in (1, 2, 3):
        async with Runtime(counting(Totals()), store=dsn) as runtime:
            await runtime.dispatch(Add(counter="a", amount=amount), consistency="strong")
            await runtime.dispatch(Note(counter="a", text="of no interest"), consistency="strong")
            assert await seen(runtime) == list(range(1, 2 * amount, 2))


async def test_a_poison_event_is_parked_and_its_writes_are_rolled_back(dsn: str) -> None:
    async def refuse_two(event: Added, transaction: Transaction) -> None:
        if event.amount == 2:
            raise FileNotFoundError("also an error that looks like a lost connection")

    async with Runtime(counting(), store=dsn) as runtime:
        await add(runtime, *range(1, 11), apart=True)
    async with Runtime(counting(Totals(refuse_two)), store=dsn, retry=QUICK) as runtime:
        await passed(runtime, 10)
        assert await seen(runtime) == [1, *range(3, 11)]
        assert await total(runtime, "counter-2") is None
        assert status(runtime).parked == 1
        (parked,) = await runtime.store.subscriptions.parked("counting", "totals")
        assert (parked.position, parked.attempts) == (2, 3)
        assert "FileNotFoundError" in parked.error


async def test_an_event_whose_sql_fails_is_parked(dsn: str) -> None:
    async def divide(event: Added, transaction: Transaction) -> None:
        await transaction.connection.fetchval("select 1 / ($1::int - 2)", event.amount)

    async with Runtime(counting(Totals(divide)), store=dsn, retry=QUICK) as runtime:
        await add(runtime, 1, 2, 3, apart=True)
        await passed(runtime, 3)
        assert await seen(runtime) == [1, 3]
        (parked,) = await runtime.store.subscriptions.parked("counting", "totals")
        assert "division by zero" in parked.error


async def test_an_event_whose_commit_fails_is_parked(dsn: str) -> None:
    async def break_a_promise(event: Added, transaction: Transaction) -> None:
        if event.amount == 2:
            await transaction.connection.execute("insert into promises values (1, 77)")

    async with Runtime(counting(Totals(break_a_promise)), store=dsn, retry=QUICK) as runtime:
        await add(runtime, 1, 2, 3, apart=True)
        await passed(runtime, 3)
        assert await seen(runtime) == [1, 3]
        (parked,) = await runtime.store.subscriptions.parked("counting", "totals")
        assert "promises" in parked.error


async def test_what_a_parked_event_blocks_is_written_once_after_a_retry(dsn: str) -> None:
    """In order, before newer events of the key, while all other keys went on."""
    healed = False

    async def refuse_two(event: Added, transaction: Transaction) -> None:
        if event.amount == 2 and not healed:
            raise ValueError("not yet")

    async with Runtime(counting(), store=dsn) as runtime:
        await add(runtime, 1, 2, 3, 4)
        await add(runtime, 5, apart=True)
    async with Runtime(counting(Totals(refuse_two)), store=dsn, retry=QUICK) as runtime:
        await passed(runtime, 5)
        assert await seen(runtime) == [1, 5]
        assert [item.state for item in await runtime.parked("totals")] == [
            "failed",
            "blocked",
            "blocked",
        ]
    async with Runtime(counting(Totals(refuse_two)), store=dsn, retry=QUICK) as runtime:
        await runtime.retry("totals", key="counter-a")

        async def failed_again() -> bool:
            return (await runtime.parked("totals"))[0].attempts == 4

        await until(failed_again)
        healed = True
        await add(runtime, 6)
        await runtime.retry("totals", key="counter-a")

        async def nothing_parked() -> bool:
            return not await runtime.parked("totals")

        await until(nothing_parked)
        assert await seen(runtime) == list(range(1, 7))
        assert await total(runtime) == 16


async def test_a_value_that_no_column_holds_is_parked_without_retries(dsn: str) -> None:
    """So that ten of them do not stop the projection for ten times its retries."""

    async def overflow(event: Added, transaction: Transaction) -> None:
        if event.amount < 11:
            await transaction.connection.execute("select $1::bigint", 2**63)

    never = Retry(attempts=2, first=3600)
    async with Runtime(counting(Totals(overflow)), store=dsn, retry=never) as runtime:
        await add(runtime, *range(1, 12), apart=True)
        await passed(runtime, 11)
        assert await seen(runtime) == [11]
        assert [item.attempts for item in await runtime.parked("totals")] == [1] * 10


async def test_a_projection_may_stop_at_a_poison_event_until_it_is_resumed(dsn: str) -> None:
    healed = False

    async def refuse_two(event: Added, transaction: Transaction) -> None:
        if event.amount == 2 and not healed:
            raise ValueError("not yet")

    totals = StoppingTotals(refuse_two)
    async with Runtime(counting(totals), store=dsn, retry=QUICK) as runtime:
        await add(runtime, 1, 2, 3)
        await until(lambda: status(runtime).state == "stopped")
        assert status(runtime).error == "event 2 (Added): ValueError: not yet"
        assert await seen(runtime) == [1]
        healed = True
        await runtime.store.subscriptions.resume("counting", "totals")
        await runtime.wait(3)
        assert await seen(runtime) == [1, 2, 3]


async def test_a_connection_lost_inside_a_handler_is_not_the_handlers_failure(dsn: str) -> None:
    cuts = iter(range(3))

    async def cut(event: Added, transaction: Transaction) -> None:
        if event.amount == 2 and next(cuts, None) is not None:
            await transaction.connection.execute("select pg_terminate_backend(pg_backend_pid())")

    command_id = Retry(attempts=1)
    async with Runtime(counting(Totals(cut)), store=dsn, retry=command_id, lease=0.5) as runtime:
        await add(runtime, 1, 2, 3)
        await runtime.wait(3, timeout=240)
        assert await seen(runtime) == [1, 2, 3]
        assert await runtime.store.subscriptions.parked("counting", "totals") == []


async def test_a_new_version_is_built_next_to_the_old_one(dsn: str) -> None:
    async with Runtime(counting(Totals()), store=dsn) as old:
        await add(old, 1, 2)
        async with Runtime(counting(NewTotals()), store=dsn) as new:
            await add(old, 3)
            await new.wait(3)
            await old.wait(3)
            assert await seen(new) == await seen(old) == [1, 2, 3]
            rows = await new.store.subscriptions.list("counting")
            assert [(row.key.version, row.position) for row in rows] == [(1, 3), (2, 3)]


async def test_invalid_tables_are_a_fault_of_the_domain(dsn: str) -> None:
    class Wrong(Projection, name="wrong"):
        tables = "create table wrong (id no_such_type)"

        @handle
        async def added(self, event: Added, transaction: Transaction) -> None:
            pass

    with pytest.raises(DefinitionError, match="no_such_type"):
        async with Runtime(counting(Wrong()), store=dsn):
            pass
