"""A projection of `Event`: it keeps every event of its domain in tables, and nothing else."""

from dataclasses import dataclass

from chekov import Connection, Event, Projection, Runtime, Transaction, handle, query
from chekov.store.port import NewEvent
from chekov.uuid7 import uuid7
from tests.integration.engine_domain import counting
from tests.unit.engine.counter_domain import Add, Added, Note
from tests.waiting import passed


@dataclass(frozen=True)
class Entry:
    position: int
    stream: str
    type: str
    text: str


class Journal(Projection, name="journal"):
    tables = """
        create table entries (
            position bigint primary key, stream text not null, type text not null, text text
        );
    """

    @handle
    async def anything(self, event: Event, transaction: Transaction) -> None:
        transaction.write(
            "insert into entries values ($1, $2, $3, $4)",
            transaction.position,
            transaction.stream,
            type(event).__name__,
            str(event.amount) if isinstance(event, Added) else "",
        )

    @query
    async def entries(self, connection: Connection) -> list[Entry]:
        return [
            Entry(**row)
            for row in await connection.fetch("select * from entries order by position")
        ]


class NewJournal(Journal, name="journal", version=2):
    pass


async def entries(runtime: Runtime) -> object:
    return await runtime.query("journal", "entries", {})


async def test_every_event_of_the_domain_is_kept_once_and_nothing_else(dsn: str) -> None:
    stored = [
        Entry(1, "counter-a", "Added", "1"),
        Entry(2, "counter-a", "Noted", ""),
        Entry(5, "counter-b", "Added", "2"),
    ]
    async with Runtime(counting(), store=dsn) as runtime:
        await runtime.dispatch(Add(counter="a", amount=1))
        await runtime.dispatch(Note(counter="a", text="b"))
        await runtime.store.append("foreign-1", [NewEvent(uuid7(), "Foreign", b"{}")])
        await runtime.store.streams.link("linked-1", [1])
        await runtime.dispatch(Add(counter="b", amount=2))
        await runtime.store.streams.delete("foreign-1")
        await runtime.store.append("gone-1", [NewEvent(uuid7(), "Added", b'{"amount":9}')])
        await runtime.store.streams.delete("gone-1", erase=True)
    async with Runtime(counting(Journal()), store=dsn) as runtime:
        await passed(runtime, await runtime.store.head())
        assert await entries(runtime) == stored
        live = await runtime.dispatch(Note(counter="c", text="d"), consistency="strong")
        stored.append(Entry(live.position, "counter-c", "Noted", ""))
        assert await entries(runtime) == stored
    async with Runtime(counting(NewJournal()), store=dsn) as runtime:
        await passed(runtime, live.position)
        assert await entries(runtime) == stored


async def test_each_of_many_events_is_kept_once_whichever_process_runs_it(dsn: str) -> None:
    domain = counting(Journal())
    async with Runtime(domain, store=dsn) as second:
        async with Runtime(domain, store=dsn) as first:
            for number in range(1, 101):
                await (first, second)[number % 2].dispatch(Add(counter="a", amount=number))
        for number in range(101, 201):
            await second.dispatch(Add(counter="a", amount=number))
        await passed(second, 200)
        assert await entries(second) == [
            Entry(number, "counter-a", "Added", str(number)) for number in range(1, 201)
        ]
