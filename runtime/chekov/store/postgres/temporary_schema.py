"""A schema for a store that is needed for a moment, as in a test."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

from chekov.store.postgres.connection_options import connect_once

_APPLICATION: Final = "chekov temporary schema"


@asynccontextmanager
async def temporary_schema(dsn: str) -> AsyncGenerator[str]:
    """Give a name for a schema, and drop it afterwards with those of the projections beside it.

    Args:
        dsn: the database.
    """
    name = f"temporary_{uuid4().hex[:24]}"  # names have 40 characters at most
    try:
        yield name
    finally:
        connection = await connect_once(dsn, application=_APPLICATION)
        try:
            own = "select quote_ident(nspname) from pg_namespace where starts_with(nspname, $1)"
            for [schema] in await connection.fetch(own, name):
                await connection.execute(f"drop schema {schema} cascade")
        finally:
            connection.terminate()
