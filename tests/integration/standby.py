"""A second Postgres: a standby of the first one, or a copy of what it was."""

import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from chekov.embedded_postgres import EmbeddedPostgres
from tests.waiting import until


async def execute(server: EmbeddedPostgres, *statements: str) -> None:
    connection = await asyncpg.connect(server.dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def value(server: EmbeddedPostgres, query: str) -> object:
    connection = await asyncpg.connect(server.dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def make_read_only(server: EmbeddedPostgres) -> None:
    """Let a server refuse to write, as the former one of a switchover does."""
    await execute(
        server,
        "alter system set default_transaction_read_only = on",
        "select pg_reload_conf()",
    )


@asynccontextmanager
async def copy_of(
    server: EmbeddedPostgres, *, standby: bool = False
) -> AsyncGenerator[EmbeddedPostgres]:
    """Run a copy of a server, which is stopped for a moment; `standby` lets it follow."""
    with tempfile.TemporaryDirectory(prefix="chekov-") as folder:
        second = EmbeddedPostgres(
            Path(folder),
            settings={"primary_conninfo": server.dsn} if standby else None,
        )
        await server.stop()
        _copy(server.folder, second.folder)
        if standby:
            _give_as(second.folder / "data" / "PG_VERSION", second.folder / "data/standby.signal")
        await server.start()
        await second.start()
        try:
            yield second
        finally:
            await second.stop()


async def promote(standby: EmbeddedPostgres, former: EmbeddedPostgres) -> None:
    """Let a standby take over, once it has everything."""
    last = await value(former, "select pg_current_wal_lsn()::text")

    async def has_all() -> object:
        return await value(standby, f"select pg_last_wal_replay_lsn() >= '{last}'::pg_lsn")

    await until(has_all)
    await execute(standby, "select pg_promote()")


def _copy(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir()
        else:
            shutil.copyfile(path, copy)
        _own_as(path, copy)


def _give_as(like: Path, path: Path) -> None:
    path.touch()
    _own_as(like, path)


def _own_as(like: Path, path: Path) -> None:
    state = like.stat()
    path.chmod(state.st_mode)
    shutil.chown(path, state.st_uid, state.st_gid)
