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

_NUMBERED: Final = ("outbox", "discarded_inputs")

_WHOLE: Final = (
    "process_instances",
    "outbox",
    "timers",
    "scheduled_commands",
    "recurring_commands",
    "cancelled_schedules",
    "refused_commands",
    "discarded_inputs",
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
        self._columns: dict[str, Mapping[str, str]] = {}

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
        for (table, columns), rows in groupby(lines, attrgetter("table", "columns")):
            if table not in _OF_HANDLERS and table not in _WHOLE:
                raise MalformedExport(number, f"there is no table {table!r:.60} to import")
            # What a row does not name has its default: its table had fewer columns then.
            statement = self._of("add_work", table).replace(
                ":columns", await self._listed(table, columns, number)
            )
            documents = b"[" + b",".join(line.document for line in rows) + b"]"
            try:
                await self._connection.execute(statement, documents.decode())
            except (
                asyncpg.DataError,
                asyncpg.IntegrityConstraintViolationError,
                UnicodeError,
            ) as error:
                raise MalformedExport(
                    number, f"rows of {table} cannot be stored: {error}"
                ) from error

    async def finish(self) -> None:
        """Let what is new be numbered after what was imported."""
        for table in _NUMBERED:
            await self._connection.execute(self._of("number_rows", table))

    async def _listed(self, table: str, columns: Sequence[str], number: int) -> str:
        """The names of columns as SQL lists them.

        Raises:
            MalformedExport: the table has no such column.
        """
        if table not in self._columns:
            rows = await self._connection.fetch(self._of("columns", table))
            self._columns[table] = {row["name"]: row["quoted"] for row in rows}
        known = self._columns[table]
        unknown = [name for name in columns if name not in known]
        if unknown or not columns:
            what = f"{table} has no column {unknown[0]!r:.60}" if unknown else "a row is empty"
            raise MalformedExport(number, what)
        return ", ".join(known[name] for name in columns)

    def _of(self, statement: str, table: str) -> LiteralString:
        return cast("LiteralString", self._sql[statement].replace(":table", table))
