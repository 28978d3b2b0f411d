"""Queries over HTTP: what a database returns becomes JSON, what it rejects a problem."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from chekov import Connection, Domain, Projection, Runtime, Transaction, handle, query
from chekov.serialization.results import UnexpectedResult
from chekov.server import http
from chekov.server.lifecycle import Lifecycle
from chekov.server.metrics import Metrics
from chekov.server.settings import Settings
from chekov.store.port import QueryTimeout
from chekov.store.postgres import PostgresStore
from tests.unit.engine.counter_domain import Add, Added, Counter
from tests.waiting import until


class Notes(Projection, name="notes"):
    tables = """
        create table notes (
            id bigint primary key, stream text, more jsonb, old json, list jsonb[], host inet
        )
    """

    @handle
    async def added(self, event: Added, transaction: Transaction) -> None:
        more = {"amount": event.amount, "tags": ["a"]}
        await transaction.connection.execute(
            "insert into notes values ($1, $2, $3, $4, $5, '10.0.0.1')",
            *(transaction.position, transaction.stream, more, '{"text": true}', [more, None]),
        )
        kept = await transaction.connection.fetchval("select more from notes limit 1")
        assert kept["tags"] == ["a"]

    @query
    async def all(self, connection: Connection) -> dict[str, Any]:
        rows = await connection.fetch("select * from notes order by id")
        return {"rows": rows, "total": len(rows)}

    @query
    async def more(self, connection: Connection) -> Any:
        return await connection.fetchval("select more from notes")

    @query
    async def after(self, connection: Connection, start: int) -> Any:
        return await connection.fetch("select id from notes where id > $1", start)

    @query
    async def named(self, connection: Connection, stream: str, size: int = 1) -> Any:
        return await connection.fetch(
            "select id from notes where stream = $1 and id < $2", stream, size
        )

    @query
    async def divided(self, connection: Connection, by: int) -> Any:
        return await connection.fetchval("select 1 / $1::int", by)

    @query
    async def wrong(self, connection: Connection, stream: str) -> Any:
        return await connection.fetch("select id from notes where id = $1", stream)

    @query
    async def overflowing(self, connection: Connection) -> Any:
        return await connection.fetchval("select 2147483647 + 1")


@asynccontextmanager
async def serving(dsn: str) -> AsyncGenerator[TestClient[Request, Application]]:
    domain = Domain("notes", aggregates=[Counter], handlers=[Notes()])
    async with Runtime(domain, store=dsn) as runtime:
        await runtime.dispatch(Add(counter="a", amount=7), consistency="strong")
        metrics = Metrics(domain.commands, [])
        app = http.application(runtime, metrics, None, Lifecycle(), Settings.read({}))
        async with TestClient(TestServer(app)) as client:
            yield client


async def test_rows_and_json_columns_are_values(dsn: str) -> None:
    more = {"amount": 7, "tags": ["a"]}
    async with serving(dsn) as client:
        assert await (await client.get("/queries/notes/more")).json() == more
        assert await (await client.get("/queries/notes/all")).json() == {
            "rows": [
                {
                    "id": 1,
                    "stream": "counter-a",
                    "more": more,
                    "old": {"text": True},
                    "list": [more, None],
                    "host": "10.0.0.1",
                }
            ],
            "total": 1,
        }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("after?start=0", 200),
        ("after?start=99999999999999999999", 400),
        ("after?start=-99999999999999999999", 400),
        ("named?stream=%00", 400),
        ("named?stream=a&size=99999999999999999999", 400),
        ("divided?by=99999999999", 400),
        ("divided?by=0", 500),
        ("wrong?stream=a", 500),
        ("overflowing", 500),
    ],
)
async def test_a_value_that_the_database_rejects_is_the_clients_fault(
    dsn: str, path: str, status: int
) -> None:
    async with serving(dsn) as client:
        response = await client.get(f"/queries/notes/{path}")
        document = await response.json()
    assert response.status == status, document
    if path.startswith("after") and status == 400:
        assert document["path"] == "start"
        assert "out of int64 range" in document["detail"]


class Sleepy(Notes, name="notes"):
    """Notes with a query that lasts until the test lets it go."""

    @query
    async def slow(self, connection: Connection) -> Any:
        return await connection.fetchval("select pg_advisory_xact_lock(77)")

    @query
    async def endless(self, connection: Connection) -> Any:
        return await connection.fetchval("select count(*) from generate_series(1, 1000000000000)")


@asynccontextmanager
async def sleepy(
    dsn: str, *, patience: float = 0.2, query_timeout: float = 30
) -> AsyncGenerator[tuple[Runtime, TestClient[Request, Application]]]:
    domain = Domain("notes", aggregates=[Counter], handlers=[Sleepy()])
    store = PostgresStore(dsn, patience=patience, query_timeout=query_timeout)
    async with Runtime(domain, store=store) as runtime:
        app = http.application(runtime, Metrics([], []), None, Lifecycle(), Settings.read({}))
        async with TestClient(TestServer(app)) as client:
            yield runtime, client


async def test_slow_queries_leave_connections_to_projections_and_commands(dsn: str) -> None:
    lock = await asyncpg.connect(dsn)
    await lock.execute("select pg_advisory_lock(77)")
    async with sleepy(dsn, patience=10) as (runtime, client), asyncio.TaskGroup() as group:
        slow = [group.create_task(client.get("/queries/notes/slow")) for _ in range(6)]
        await until(lambda: runtime_waits(lock))
        for _ in range(3):
            await runtime.dispatch(
                Add(counter="a", amount=1), consistency="strong", consistency_timeout=240
            )
        await lock.execute("select pg_advisory_unlock(77)")
    await lock.close()
    statuses = [task.result().status for task in slow]
    assert set(statuses) <= {200, 503}
    assert 200 in statuses


async def runtime_waits(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    return bool(
        await connection.fetchval(
            "select count(*) > 1 from pg_locks where locktype = 'advisory' and not granted"
        )
    )


async def test_a_query_without_a_free_connection_is_told_so(dsn: str) -> None:
    lock = await asyncpg.connect(dsn)
    await lock.execute("select pg_advisory_lock(77)")
    async with sleepy(dsn) as (_, client), asyncio.TaskGroup() as group:
        slow = [group.create_task(client.get("/queries/notes/slow")) for _ in range(2)]
        await until(lambda: runtime_waits(lock))
        response = await client.get("/queries/notes/all")
        problem = await response.json()
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        assert problem["type"] == "urn:chekov:problem:queries-overloaded"
        assert "no database connection for queries was free within 0.2 s" in problem["detail"]
        await lock.execute("select pg_advisory_unlock(77)")
        assert {(await task).status for task in slow} == {200}
        assert (await client.get("/queries/notes/all")).status == 200
    await lock.close()


async def test_a_statement_of_a_query_may_take_only_so_long(dsn: str) -> None:
    async with sleepy(dsn, query_timeout=0.05) as (runtime, client):
        response = await client.get("/queries/notes/endless")
        problem = await response.json()
        assert response.status == 504
        assert problem["type"] == "urn:chekov:problem:query-timed-out"
        with pytest.raises(QueryTimeout, match=r"took longer than 0\.05 s"):
            await runtime.query("notes", "endless", {})
        assert (await client.get("/queries/notes/all")).status == 200


@dataclass
class Note:
    id: int
    stream: str


class TypedNotes(Notes, name="notes"):
    @query
    async def typed(self, connection: Connection) -> list[Note]:
        return cast("list[Note]", await connection.fetch("select * from notes order by id"))

    @query
    async def first(self, connection: Connection, stream: str) -> Note | None:
        row = await connection.fetchrow("select * from notes where stream = $1", stream)
        return cast("Note | None", row)

    @query
    async def amount(self, connection: Connection) -> int:
        return cast("int", await connection.fetchval("select sum(id) from notes"))

    @query
    async def unfit(self, connection: Connection) -> int:
        return cast("int", await connection.fetchval("select stream from notes"))


async def test_results_have_the_type_of_the_annotation(dsn: str) -> None:
    domain = Domain("notes", aggregates=[Counter], handlers=[TypedNotes()])
    async with Runtime(domain, store=dsn) as runtime:
        await runtime.dispatch(Add(counter="a", amount=7), consistency="strong")
        note = Note(1, "counter-a")
        assert await runtime.query("notes", "typed", {}) == [note]
        assert await runtime.query("notes", "first", {"stream": "counter-a"}) == note
        assert await runtime.query("notes", "first", {"stream": "counter-b"}) is None
        assert await runtime.query("notes", "amount", {}) == 1
        with pytest.raises(UnexpectedResult, match="notes/unfit"):
            await runtime.query("notes", "unfit", {})
        app = http.application(runtime, Metrics([], []), None, Lifecycle(), Settings.read({}))
        async with TestClient(TestServer(app)) as client:
            typed = await (await client.get("/queries/notes/typed")).json()
            assert typed == [{"id": 1, "stream": "counter-a"}]
            document = await (await client.get("/openapi.json")).json()
    answer = document["paths"]["/queries/notes/typed"]["get"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    # The domain also has a command of this name.
    assert schema == {"type": "array", "items": {"$ref": "#/components/schemas/Note-2"}}
    assert set(document["components"]["schemas"]["Note-2"]["properties"]) == {"id", "stream"}
