"""Queries over HTTP: what a database returns becomes JSON, what it rejects a problem."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from chekov import Connection, Domain, Projection, Runtime, Transaction, handle, query
from chekov.server import http
from chekov.server.lifecycle import Lifecycle
from chekov.server.metrics import Metrics
from chekov.server.settings import Settings
from tests.unit.engine.counter_domain import Add, Added, Counter


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
