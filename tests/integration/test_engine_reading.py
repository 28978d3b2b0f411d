"""A program reads events of Postgres: of other processes too, and across restarts of the server."""

import asyncio
from contextlib import aclosing

from chekov import Domain, EventFilter, Runtime
from chekov.domain.event_filter import EVERYTHING
from chekov.embedded_postgres import EmbeddedPostgres
from tests.unit.engine.counter_domain import Add, Added, Counter

DOMAIN = Domain("counting", aggregates=[Counter])


async def positions(runtime: Runtime, count: int, filter: EventFilter) -> list[int]:
    found: list[int] = []
    async with aclosing(runtime.subscribe(filter=filter)) as subscription:
        async for _, context in subscription:
            found.append(context.position)
            if len(found) == count:
                break
    return found


async def test_stored_events_are_read_in_every_way(dsn: str) -> None:
    async with Runtime(DOMAIN, store=dsn) as runtime:
        for number in range(6):
            await runtime.dispatch(Add(counter="ab"[number % 2], amount=number + 1))

        async def found(
            filter: EventFilter = EVERYTHING,
            *,
            stream: str | None = None,
            after: int = 0,
            backwards: bool = False,
        ) -> list[int]:
            read = runtime.events(
                Added, stream=stream, filter=filter, after=after, backwards=backwards
            )
            return [event.amount async for event, _ in read]

        assert await found() == [1, 2, 3, 4, 5, 6]
        assert await found(backwards=True, after=4) == [3, 2, 1]
        assert await found(stream="counter-b") == [2, 4, 6]
        assert await found(stream="counter-b", backwards=True) == [6, 4, 2]
        assert await found(EventFilter(category="counter"), after=4) == [5, 6]


async def test_a_subscription_survives_a_restart_of_the_server(
    private_server: EmbeddedPostgres,
) -> None:
    filters = EVERYTHING, EventFilter(category="counter")
    async with (
        asyncio.timeout(120),
        Runtime(DOMAIN, store=private_server.dsn) as writer,
        Runtime(DOMAIN, store=private_server.dsn, subscriptions=False) as reader,
    ):
        await writer.dispatch(Add(counter="a", amount=1))
        async with asyncio.TaskGroup() as group:
            reading = [group.create_task(positions(reader, 6, filter)) for filter in filters]
            await writer.dispatch(Add(counter="a", amount=2))
            await private_server.kill()
            await private_server.start()
            for number in range(4):
                await writer.dispatch(Add(counter="a", amount=number + 3), timeout=240)
        assert [task.result() for task in reading] == [[1, 2, 3, 4, 5, 6]] * 2
