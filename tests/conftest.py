"""One real Postgres for the whole session, and for each test a database of its own.

Fixtures for everybody: `dsn` is a fresh, migrated database; `empty_dsn` one without a store;
`postgres_store` and `memory_store` are open stores. `server` is the Postgres itself, which no test
may disturb; `private_server` is one that a test may stop and kill.

Servers do not live in `tmp_path`: where we are root they run as another user, and each start of
pytest closes the folder above it to others.

With `CHEKOV_TEST_DSN` set, that server is used: any Postgres from 15, as a superuser.
"""

import asyncio
import os
import tempfile
import uuid
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from chekov.embedded_postgres import EmbeddedPostgres, embedded_postgres
from chekov.store.memory import MemoryStore
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.migrator import migrate

TEMPLATE = "chekov_template"


@pytest.fixture(scope="session")
def server() -> Generator[str]:
    """DSN of the session's Postgres; its database `chekov_template` holds an empty store."""
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="chekov-") as folder:
        given = os.environ.get("CHEKOV_TEST_DSN")
        if given:
            runner.run(_make_template(given))
            yield given
            return
        postgres = embedded_postgres(Path(folder))
        dsn = runner.run(postgres.__aenter__())
        try:
            runner.run(_make_template(dsn))
            yield dsn
        finally:
            runner.run(postgres.__aexit__(None, None, None))


@pytest.fixture
async def dsn(server: str) -> AsyncGenerator[str]:
    """A fresh database with an empty store in the schema `chekov`."""
    async for made in _database(server, TEMPLATE):
        yield made


@pytest.fixture
async def empty_dsn(server: str) -> AsyncGenerator[str]:
    """A fresh database with nothing in it."""
    async for made in _database(server, "template1"):
        yield made


@pytest.fixture
async def postgres_store(dsn: str) -> AsyncGenerator[PostgresStore]:
    """An open store in Postgres."""
    async with PostgresStore(dsn, migrate=False) as store:
        yield store


@pytest.fixture
async def memory_store() -> AsyncGenerator[MemoryStore]:
    """An open store in memory."""
    async with MemoryStore() as store:
        yield store


@pytest.fixture
async def private_server() -> AsyncGenerator[EmbeddedPostgres]:
    """A running server without a store, to be stopped and killed at will."""
    with tempfile.TemporaryDirectory(prefix="chekov-") as folder:
        server = EmbeddedPostgres(Path(folder))
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


async def _make_template(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"drop database if exists {TEMPLATE}")
    await connection.execute(f"create database {TEMPLATE}")
    await connection.close()
    await migrate(_named(dsn, TEMPLATE), "chekov")


async def _database(server: str, template: str) -> AsyncGenerator[str]:
    name = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"create database {name} template {template}")
        yield _named(server, name)
        await connection.execute(f"drop database {name} with (force)")
    finally:
        await connection.close()


def _named(dsn: str, database: str) -> str:
    return urlsplit(dsn)._replace(path=f"/{database}").geturl()
