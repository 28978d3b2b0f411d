from collections.abc import Sequence
from datetime import timedelta

from chekov import Connection, Delivered, Projection, Runtime, Transaction, handle, query
from tests.integration.engine_domain import counting
from tests.unit.engine.counter_domain import Add, Added, status
from tests.unit.engine.running import QUICK


class Copied(Projection, name="copied"):
    tables = "create table amounts (position bigint primary key, amount bigint, batch bigint)"

    def __init__(self, *failing: int) -> None:
        self.failing = failing
        self.sizes: list[int] = []

    @handle(batch=(100, timedelta(0)))
    async def many(self, deliveries: Sequence[Delivered[Added]], transaction: Transaction) -> None:
        transaction.write("delete from amounts where position = $1", transaction.position)
        batch = transaction.position
        rows = [(context.position, event.amount, batch) for event, context in deliveries]
        await transaction.copy("amounts", rows, columns=["position", "amount", "batch"])
        for event, _ in deliveries:
            if event.amount in self.failing:
                raise RuntimeError(f"no {event.amount} please")
        self.sizes.append(len(deliveries))

    @query
    async def amounts(self, connection: Connection) -> list[int]:
        rows = await connection.fetch("select amount from amounts order by position")
        return [row["amount"] for row in rows]


async def stored(dsn: str, amounts: Sequence[int]) -> None:
    """Each in a stream of its own."""
    async with Runtime(counting(), store=dsn) as runtime:
        for amount in amounts:
            await runtime.dispatch(Add(counter=str(amount), amount=amount))


async def test_a_projection_copies_the_rows_of_a_batch_exactly_once(dsn: str) -> None:
    amounts = range(1, 501)
    await stored(dsn, amounts)
    copied = Copied()
    async with Runtime(counting(copied), store=dsn) as runtime:
        await runtime.wait(500)
        assert await runtime.query("copied", "amounts", {}) == list(amounts)
        await runtime.dispatch(Add(counter="a", amount=501), consistency="strong")
        assert await runtime.query("copied", "amounts", {}) == [*amounts, 501]
    assert max(copied.sizes) == 100
    assert sum(copied.sizes) == 501


async def test_a_failed_batch_is_rolled_back_and_only_the_guilty_event_is_parked(dsn: str) -> None:
    await stored(dsn, range(1, 11))
    async with Runtime(counting(Copied(7)), store=dsn, retry=QUICK) as runtime:
        await runtime.wait(10)
        assert await runtime.query("copied", "amounts", {}) == [1, 2, 3, 4, 5, 6, 8, 9, 10]
        assert status(runtime, "copied").parked == 1
