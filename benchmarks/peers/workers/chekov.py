"""Our own store and runtime, as a program uses them."""

import argparse
import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

import uvloop

from benchmarks.domain import ADDED, NOTE, Add, Added, Watch, commands
from benchmarks.domain import Counter as CounterAggregate
from benchmarks.peers.asynchronous import AsyncWorker, Row, Seen
from benchmarks.peers.wire import serve
from benchmarks.peers.work import event_id, identifier
from chekov import Context, Domain, Runtime
from chekov.engine.subscriptions.page_reader import PageReader
from chekov.serialization.codec import Codec
from chekov.store.port import NewEvent
from chekov.store.postgres import PostgresStore

SCHEMA = "bench"
PAGE = 1000


class Chekov:
    """One store; the runtime around it is the one that decides."""

    contiguous = True

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._codec = Codec(commands)
        self._data = self._codec.encode(Added(amount=1, note=NOTE))
        self._store = PostgresStore(dsn, schema=SCHEMA)
        self._runtime = Runtime(commands, store=self._store)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._runtime)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def append(self, stream: str, version: int, events: int) -> None:
        new = [NewEvent(event_id(), ADDED, self._data) for _ in range(events)]
        await self._store.append(stream, new, expected=version)

    async def append_together(self, streams: Sequence[tuple[str, int]]) -> bool:
        del streams
        return False

    async def decide(self, stream: str) -> None:
        await self._runtime.dispatch(Add(counter=identifier(stream), amount=1, note=NOTE))

    async def pages(self) -> AsyncIterator[int]:
        async with asyncio.TaskGroup() as group:
            pages = PageReader(self._store, group.create_task)
            after = 0
            while page := await pages.after(after):
                yield len(self._codec.decode_page(page))
                after = page[-1].position
            pages.close()

    @asynccontextmanager
    async def follow(self, seen: Seen, *, here: bool) -> AsyncGenerator[None]:
        """A handler of a runtime of its own: with this store, or as another pod would be."""
        watch = Watch()

        def note(context: Context) -> None:
            seen(context.stream, context.version)

        watch.on_event = note
        domain = Domain(
            "watch-here" if here else "watch", aggregates=[CounterAggregate], handlers=[watch]
        )
        store = self._store if here else PostgresStore(self._dsn, schema=SCHEMA)
        async with Runtime(domain, store=store) as runtime:
            await runtime.wait(await self._store.head(), timeout=600)
            yield

    async def stored(self, after: int) -> AsyncIterator[Sequence[Row]]:
        while page := await self._store.read_page(after=after, limit=PAGE):
            yield [(item.position, item.stream, item.version) for item in page]
            after = page[-1].position


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    async with Chekov(parser.parse_args().dsn) as driver:
        await serve(AsyncWorker(driver))


if __name__ == "__main__":
    uvloop.run(main())
