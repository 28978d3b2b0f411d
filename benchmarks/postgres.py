"""The Postgres server that the benchmarks run on."""

import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from chekov.embedded_postgres import EmbeddedPostgres

Connection: TypeAlias = "asyncpg.Connection[Any]"


@asynccontextmanager
async def postgres(
    dsn: str | None, settings: Mapping[str, str] | None = None
) -> AsyncGenerator[tuple[str, int | None]]:
    """The given server, or an embedded one that lives as long as the block.

    Args:
        dsn: a server to use; `None` starts an embedded one.
        settings: server parameters of the embedded one; otherwise it has its defaults.

    Yields:
        The DSN, and the process id of the server's main process if it is the embedded one.
    """
    if dsn is not None:
        yield dsn, None
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = EmbeddedPostgres(Path(folder), settings=settings)
        try:
            await server.start()
            yield server.dsn, server.pid
        finally:
            await server.stop()


@asynccontextmanager
async def fresh_database(admin: Connection, dsn: str, name: str) -> AsyncGenerator[str]:
    """Create an empty database, yield its DSN, and drop it when the block ends."""
    await admin.execute(f'drop database if exists "{name}" with (force)')
    await admin.execute(f'create database "{name}"')
    try:
        yield urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
    finally:
        await admin.execute(f'drop database if exists "{name}" with (force)')
