"""Importing what handlers have done and what is under way, as whole rows of its tables."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final, LiteralString, cast

import asyncpg

from chekov.errors import MalformedExport, StoreError
from chekov.serialization.export_lines import WorkLine
from chekov.store.postgres.connection_options import DriverConnection

_OF_HANDLERS: Final = ("partitions", "subscriptions", "parked", "discarded")
"""Tables with rows of projections too, which stay as they are."""

_WHOLE: Final = (
    "process_instances",
    "outbox",
    "timers",
    "scheduled_commands",
    "recurring_commands",
    "refused_commands",
)


class WorkImport:
    """Replaces the rows in the caller's transaction.

    Args:
        connection: in a transaction.
        sql: the statements.
    """

    def __init__(self, connection: DriverConnection, sql: Mapping[str, LiteralString]) -> None:
        self._connection = connection
        self._sql = sql

    async def clear(self) -> None:
        """Delete the rows that are there.

        Raises:
            StoreError: a process runs handlers.
        """
        owners = await self._connection.fetch(self._sql["owners"])
        if owners:
            names = ", ".join(sorted({row["name"] for row in owners}))
            raise StoreError(f"a process runs {names}: stop it before this is replaced")
        for table in _OF_HANDLERS:
            await self._connection.execute(self._of("clear_divided", table))
        for table in _WHOLE:
            await self._connection.execute(self._of("clear_whole", table))

    async def add(self, lines: Sequence[WorkLine], number: int) -> None:
        """Insert rows.

        Args:
            lines: with the rows.
            number: of the last line.

        Raises:
            MalformedExport: the rows do not fit.
        """
        for table, rows in groupby(lines, attrgetter("table")):
            if table not in _OF_HANDLERS and table not in _WHOLE:
                raise MalformedExport(number, f"there is no table {table!r:.60} to import")
            documents = b"[" + b",".join(bytes(line.row) for line in rows) + b"]"
            try:
                await self._connection.execute(self._of("add_work", table), documents.decode())
            except (
                asyncpg.DataError,
                asyncpg.IntegrityConstraintViolationError,
                UnicodeError,
            ) as error:
                raise MalformedExport(
                    number, f"rows of {table} cannot be stored: {error}"
                ) from error

    async def finish(self) -> None:
        """Let new commands be numbered after those that were imported."""
        await self._connection.execute(self._sql["number_outbox"])

    def _of(self, statement: str, table: str) -> LiteralString:
        return cast("LiteralString", self._sql[statement].replace(":table", table))
