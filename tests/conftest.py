"""Fixtures for all tests: one real Postgres per session, and one database per test.

`dsn` is a fresh, migrated database, `empty_dsn` one without a store; `postgres_store` and
`memory_store` are open stores. `server` is the session's Postgres, which no test may disturb;
`private_server` is a Postgres that a test may stop and kill.

The servers' folders are not in `tmp_path`: for root they run as another user, and pytest makes the
folder above `tmp_path` inaccessible to other users.

`CHEKOV_TEST_DSN` names a server to use instead: any Postgres from 15, as a superuser.
"""

import asyncio
import os
import tempfile
import uuid
from collections.abc import AsyncGenerator, Generator
from functools import partial
from pathlib import Path
from shutil import rmtree
from urllib.parse import urlsplit

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from chekov.embedded_postgres import EmbeddedPostgres, embedded_postgres
from chekov.store.memory import MemoryStore
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.migrator import migrate

TEMPLATE = "chekov_template"

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give this run a folder of its own.

    Each run of pytest closes the folder that all runs of a user share to other users, among them
    the one that the Postgres of an earlier run belongs to.
    """
    if config.option.basetemp is None:
        config.option.basetemp = tempfile.mkdtemp(prefix="chekov-tests-")
        config.add_cleanup(partial(rmtree, config.option.basetemp, ignore_errors=True))


@pytest.fixture(scope="session")
def server() -> Generator[str]:
    """The DSN of the session's Postgres, whose database `chekov_template` holds an empty store."""
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="chekov-") as folder:
        existing = os.environ.get("CHEKOV_TEST_DSN")
        if existing:
            runner.run(_make_template(existing))
            yield existing
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
    """The DSN of a fresh database with an empty store in the schema `chekov`."""
    async for database in _database(server, TEMPLATE):
        yield database


@pytest.fixture
async def empty_dsn(server: str) -> AsyncGenerator[str]:
    """The DSN of a fresh, empty database."""
    async for database in _database(server, "template1"):
        yield database


@pytest.fixture
async def postgres_store(dsn: str) -> AsyncGenerator[PostgresStore]:
    async with PostgresStore(dsn, migrate=False) as store:
        yield store


@pytest.fixture
async def memory_store() -> AsyncGenerator[MemoryStore]:
    async with MemoryStore() as store:
        yield store


@pytest.fixture
async def private_server() -> AsyncGenerator[EmbeddedPostgres]:
    """A running server without a store, which the test may stop and kill."""
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
    await migrate(_with_database(dsn, TEMPLATE), "chekov")


async def _database(server: str, template: str) -> AsyncGenerator[str]:
    name = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"create database {name} template {template}")
        yield _with_database(server, name)
        await connection.execute(f"drop database {name} with (force)")
    finally:
        await connection.close()


def _with_database(dsn: str, database: str) -> str:
    return urlsplit(dsn)._replace(path=f"/{database}").geturl()
