"""A store that is restored in place under a running domain: what it answers is what is stored."""

from uuid import uuid4

from chekov import Context, EventHandler, Runtime, handle
from tests.integration.engine_domain import counting
from tests.integration.restoring import back_up, restore, run
from tests.unit.engine import counter_domain
from tests.unit.engine.counter_domain import Add, Added, Counter
from tests.waiting import until


class Seen(EventHandler, name="seen", consistency="strong"):
    def __init__(self) -> None:
        self.amounts: list[int] = []

    @handle
    async def added(self, event: Added, context: Context) -> None:
        self.amounts.append(event.amount)


async def add(runtime: Runtime, amount: int, *, strong: bool = True) -> int:
    answer = await runtime.dispatch(
        Add(counter="a", amount=amount), consistency="strong" if strong else "eventual"
    )
    return answer.version


async def saved(runtime: Runtime, position: int) -> None:
    async def is_saved() -> bool:
        [row] = await runtime.store.subscriptions.list("counting")
        return row.position == position

    await until(is_saved)


async def test_a_domain_goes_on_from_a_restored_log(dsn: str) -> None:
    handler = Seen()
    async with Runtime(counting(handler), store=dsn) as runtime:
        assert await add(runtime, 1) == 1
        await saved(runtime, 1)
        await back_up(dsn)
        for amount in (10, 20, 30):
            await add(runtime, amount)
        await saved(runtime, 4)
        resets = runtime.store.tail.resets
        seen = resets.value
        await restore(dsn)
        await until(lambda: resets.value > seen)
        # What was handled is handled again under the same positions: they are other events.
        assert await add(runtime, 100) == 2
        assert await add(runtime, 200) == 3
        assert handler.amounts == [1, 10, 20, 30, 100, 200]
        assert (await runtime.load(Counter, "a")).state.total == 301
        positions = [event.position async for event in runtime.store.read_all()]
        assert positions == [1, 2, 3]


async def test_commands_right_after_a_restore_are_decided_by_what_is_stored(dsn: str) -> None:
    """Before the process has noticed."""
    async with Runtime(counting(), store=dsn) as runtime:
        await add(runtime, 1, strong=False)
        await back_up(dsn)
        for amount in (10, 20, 30):
            await add(runtime, amount, strong=False)
        await restore(dsn)
        assert await add(runtime, 100, strong=False) == 2
        assert (await runtime.load(Counter, "a")).state.total == 101
        stored = [(item.position, item.version) async for item in runtime.store.read_all()]
        assert stored == [(1, 1), (2, 2)]


async def test_a_checkpoint_that_was_saved_before_the_restore_was_noticed_is_refused(
    dsn: str,
) -> None:
    """Other events have taken the place of those that it counts as handled."""
    handler = Seen()
    async with Runtime(counting(handler), store=dsn) as runtime:
        await add(runtime, 1)
        await saved(runtime, 1)
        await back_up(dsn)
        for amount in (10, 20):
            await add(runtime, amount)
        await saved(runtime, 3)
        others = ", ".join(
            f"({position}, 'counter-b', {position - 1}, '{uuid4()}', 'Added', "
            """'{"amount": 7}', null, null, null, now(), null)"""
            for position in (2, 3, 4)
        )
        await restore(
            dsn,
            f"insert into chekov.events values {others};"
            "update chekov.subscriptions set position = 3",
        )
        await until(lambda: counter_domain.status(runtime, "seen").state == "stopped")
        error = counter_domain.status(runtime, "seen").error or ""
        assert "up to position 3, and the log holds another event there" in error
        assert handler.amounts == [1, 10, 20]
        await run(dsn, "update chekov.subscriptions set position = 1")
        await runtime.resume("seen")
        await until(lambda: handler.amounts == [1, 10, 20, 7, 7, 7])


async def test_a_checkpoint_beyond_the_log_is_refused(dsn: str) -> None:
    """Such as after a restore of the events alone."""
    async with Runtime(counting(Seen()), store=dsn) as runtime:
        await add(runtime, 1)
    await run(dsn, "update chekov.subscriptions set position = 7")
    handler = Seen()
    async with Runtime(counting(handler), store=dsn) as runtime:
        await until(lambda: counter_domain.status(runtime, "seen").state == "stopped")
        error = counter_domain.status(runtime, "seen").error or ""
        assert "up to position 7, and the log ends at 1" in error
        assert "then resume it" in error
        # Also once the log is as long.
        for amount in range(2, 9):
            await add(runtime, amount, strong=False)
        assert handler.amounts == []
        await run(dsn, "update chekov.subscriptions set position = 1")
        await runtime.resume("seen")
        await until(lambda: handler.amounts == list(range(2, 9)))
