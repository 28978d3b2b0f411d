"""Stores that events are moved between."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import asyncpg

from chekov.store.port import NewEvent
from chekov.store.postgres import PostgresStore
from chekov.store.postgres.exporter import export_events
from chekov.store.postgres.importer import Imported, import_events

TABLES = ("events", "streams", "keys", "tags")


def event(data: bytes = b"{}", *, metadata: bytes | None = None) -> NewEvent:
    return NewEvent(uuid4(), "Happened", data, metadata)


class Store:
    """A store in a schema of its own, with access to its tables and files."""

    def __init__(self, dsn: str, schema: str) -> None:
        self.dsn = dsn
        self.schema = schema

    async def tables(self) -> dict[str, Sequence[tuple[Any, ...]]]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return {
                table: [
                    tuple(row)
                    for row in await connection.fetch(
                        f"select * from {self.schema}.{table} order by 1, 2"
                    )
                ]
                for table in TABLES
            }
        finally:
            await connection.close()

    async def export(self, *, after: int = 0, keys: bool = False) -> list[bytes]:
        chunks: list[bytes] = []
        await export_events(self.dsn, self.schema, chunks.append, after=after, keys=keys)
        return b"".join(chunks).splitlines(keepends=True)

    async def load(self, lines: Sequence[bytes], *, keys: bool = False) -> Imported:
        return await import_events(self.dsn, self.schema, lines, keys=keys)

    def opened(self) -> PostgresStore:
        return PostgresStore(self.dsn, schema=self.schema, migrate=False)


async def fill(store: PostgresStore, count: int) -> None:
    """Append `count` events to about a hundred streams."""
    choice = random.Random(count)
    for start in range(0, count, 500):
        number = min(500, count - start)
        await asyncio.gather(
            *(
                store.append(
                    f"account-{choice.randrange(97)}",
                    [
                        NewEvent(
                            uuid4(),
                            choice.choice(("Opened", "Paid")),
                            b'{"amount":%d}' % n,
                            choice.choice((None, b'{"trace":"a"}')),
                            choice.choice((None, uuid4())),
                            choice.choice((None, uuid4())),
                            tags=choice.choice(((), (f"account:{n}", 'it"s:ä', f"name#{n}"))),
                            tag_key=choice.choice((None, uuid4())),
                        )
                    ],
                )
                for n in range(number)
            )
        )


async def add_proof_key(store: Store) -> None:
    """Add the row that a store has once a domain with personal data has used it."""
    connection = await asyncpg.connect(store.dsn)
    await connection.execute(
        f"insert into {store.schema}.keys values "
        "(gen_random_uuid(), '$proof', '\\x00', now(), null)"
    )
    await connection.close()
