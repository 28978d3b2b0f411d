"""message-db through asyncpg: its SQL functions, called as its clients call them."""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
import uvloop

from benchmarks.domain import ADDED, DATA, Added, Counter
from benchmarks.peers.asynchronous import FollowedWorker, Row, Seen
from benchmarks.peers.wire import serve
from benchmarks.peers.work import CATEGORY, NOTE, event_id, worker_of
from benchmarks.peers.workers.connections import Connections

FILES = (
    "schema/message-store.sql",
    "tables/messages.sql",
    "types/message.sql",
    "functions/message-store-version.sql",
    "functions/hash-64.sql",
    "functions/acquire-lock.sql",
    "functions/category.sql",
    "functions/is-category.sql",
    "functions/id.sql",
    "functions/cardinal-id.sql",
    "functions/stream-version.sql",
    "functions/write-message.sql",
    "functions/get-stream-messages.sql",
    "functions/get-category-messages.sql",
    "functions/get-last-stream-message.sql",
    "indexes/messages-id.sql",
    "indexes/messages-stream.sql",
    "indexes/messages-category.sql",
)
CONNECTIONS = 16
PAGE = 1000
POLL = 0.1
WRITE = f"select write_message($1, $2, '{ADDED}', $3::jsonb, null, $4)"

_decode = msgspec.json.Decoder(Added).decode


class MessageDb:
    """A pool of connections to a database with message-db's schema.

    Args:
        dsn: the database.
        sources: the SQL files; `None` where another process has run them.
        categories: over how many the streams are spread.
    """

    contiguous = False

    def __init__(self, dsn: str, sources: Path | None, categories: int) -> None:
        self._sources = sources
        self._categories = categories
        self._pool = Connections(dsn, CONNECTIONS, "message_store,public")

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        if self._sources:
            await self._pool.run([(self._sources / name).read_text() for name in FILES])
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._pool.__aexit__(*exc)

    def _name(self, stream: str) -> str:
        """Writers lock their category, so a second row spreads the streams over several."""
        if self._categories == 1:
            return stream
        category = worker_of(stream) % self._categories
        return stream.replace(CATEGORY, f"{CATEGORY}{category}", 1)

    async def append(self, stream: str, version: int, events: int) -> None:
        assert events == 1, "it writes one message at a time"
        await self._pool.fetch(WRITE, str(event_id()), self._name(stream), DATA, version - 1)

    async def append_together(self, streams: Sequence[tuple[str, int]]) -> bool:
        del streams
        return False

    async def decide(self, stream: str) -> None:
        state = Counter()
        messages = await self._pool.fetch("select * from get_stream_messages($1)", stream)
        for message in messages:
            state.added(_decode(message["data"]))
        data = msgspec.json.encode(Added(amount=state.total + 1, note=NOTE)).decode()
        await self._pool.fetch(WRITE, str(event_id()), stream, data, len(messages) - 1)

    async def pages(self) -> AsyncIterator[int]:
        async for messages in self._read(1, once=True):
            yield len([_decode(message["data"]) for message in messages])

    async def _read(self, position: int, *, once: bool) -> AsyncIterator[list[Any]]:
        while True:
            messages = await self._pool.fetch(
                "select * from get_category_messages($1, $2, $3)", CATEGORY, position, PAGE
            )
            if messages:
                yield messages
                position = messages[-1]["global_position"] + 1
            elif once:
                return
            else:
                await asyncio.sleep(POLL)

    @asynccontextmanager
    async def follow(self, seen: Seen, *, here: bool) -> AsyncGenerator[None]:
        """There is no push: poll ten times a second, as its consumers do by default."""
        del here
        (last,) = await self._pool.fetch("select max(global_position) from messages")

        async def poll() -> None:
            async for messages in self._read((last[0] or 0) + 1, once=False):
                for message in messages:
                    _decode(message["data"])
                    seen(message["stream_name"], message["position"] + 1)

        task = asyncio.ensure_future(poll())
        try:
            yield
        finally:
            task.cancel()

    async def stored(self, after: int) -> AsyncIterator[Sequence[Row]]:
        statement = """select global_position, stream_name, position from messages
            where global_position > $1 order by global_position limit 10000"""
        while rows := await self._pool.fetch(statement, after):
            yield [(row[0], self._original(row[1]), row[2] + 1) for row in rows]
            after = rows[-1][0]

    def _original(self, name: str) -> str:
        return f"{CATEGORY}-{name.partition('-')[2]}"


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    parser.add_argument("sources", type=Path)
    parser.add_argument("--categories", type=int, default=1)
    parser.add_argument("--second", action="store_true")
    given = parser.parse_args()
    sources = None if given.second else given.sources
    async with MessageDb(given.dsn, sources, given.categories) as driver:
        await serve(FollowedWorker(driver))


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
