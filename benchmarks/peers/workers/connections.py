"""A plain stack of connections: asyncpg's pool adds a round trip for the reset after each use."""

import asyncio
from collections.abc import Iterable
from typing import Any, Self, TypeAlias

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

Connection: TypeAlias = "asyncpg.Connection[Any]"
Statement: TypeAlias = "PreparedStatement[Any]"


class Connections:
    """A fixed number of connections; a caller that finds none free waits.

    Args:
        dsn: the database.
        size: the number of connections.
        search_path: of each connection.
    """

    def __init__(self, dsn: str, size: int, search_path: str) -> None:
        self._dsn = dsn
        self._size = size
        self._settings = {"search_path": search_path}
        self._free: list[Connection] = []
        self._turn = asyncio.Semaphore(size)
        self._all: list[Connection] = []
        self._statements: dict[tuple[Connection, str], Statement] = {}

    async def __aenter__(self) -> Self:
        for _ in range(self._size):
            connection = await asyncpg.connect(self._dsn, server_settings=self._settings)
            self._all.append(connection)
            self._free.append(connection)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for connection in self._all:
            await connection.close()

    async def fetch(self, sql: str, *parameters: object) -> list[Any]:
        """Run a prepared statement on a free connection; callers are served in order."""
        async with self._turn:
            connection = self._free.pop()
            try:
                statement = self._statements.get((connection, sql))
                if statement is None:
                    statement = await connection.prepare(sql)
                    self._statements[connection, sql] = statement
                return await statement.fetch(*parameters)
            finally:
                self._free.append(connection)

    async def run(self, scripts: Iterable[str]) -> None:
        """Run SQL scripts in order."""
        for script in scripts:
            await self._all[0].execute(script)
