"""Chekov's store and runtime, as a program uses them."""

import argparse
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

import uvloop

import chekov
from benchmarks.domain import ADDED, DATA, NOTE, Add, commands, watching
from benchmarks.measure import Rate
from benchmarks.peers.asynchronous import ProcessingWorker, Row, Seen
from benchmarks.peers.wire import serve
from benchmarks.peers.work import event_id, identifier
from benchmarks.process_managers import transfers
from benchmarks.projections import OneWriteEach, build
from chekov import Context, Runtime
from chekov.store.port import NewEvent
from chekov.store.postgres import PostgresStore

SCHEMA = "bench"
PAGE = 1000
INSTANCES = 2000
"""Of a process manager."""


class Chekov:
    """One store, and a runtime over it for decisions."""

    contiguous = True

    def __init__(self, dsn: str, *, conditions: bool) -> None:
        self._dsn = dsn
        self._conditions = conditions
        self._positions: dict[str, int] = {}
        self._data = DATA.encode()
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
        if self._conditions:
            await self._append_conditionally(stream, new)
        else:
            await self._store.append(stream, new, expected=version)

    async def _append_conditionally(self, stream: str, new: Sequence[NewEvent]) -> None:
        """With two tags, if nothing with either was stored since this stream's last append."""
        # Other releases lack them.
        from chekov.domain.scope import Scope, ScopeItem  # noqa: PLC0415
        from chekov.store.port import NoneSince  # noqa: PLC0415

        tags = (f"course:{stream}", f"student:{stream}")
        items = (ScopeItem(types=frozenset({ADDED}), tags=frozenset({tag})) for tag in tags)
        appended = await self._store.append(
            stream,
            [event._replace(tags=tags) for event in new],
            condition=NoneSince(Scope(tuple(items)), self._positions.get(stream, 0)),
        )
        self._positions[stream] = appended.position

    async def append_together(self, streams: Sequence[tuple[str, int]]) -> bool:
        del streams
        return False

    async def decide(self, stream: str) -> None:
        await self._runtime.dispatch(Add(counter=identifier(stream), amount=1, note=NOTE))

    def pages(self) -> AsyncIterator[int]:
        from benchmarks.typed_pages import typed_pages  # noqa: PLC0415 - other releases lack it

        return typed_pages(self._runtime)

    async def process(self) -> Rate:
        return (await transfers(self._dsn, f"{SCHEMA}_transfers", INSTANCES)).rate

    async def project(self) -> Rate:
        return await build(self._dsn, SCHEMA, OneWriteEach())

    @asynccontextmanager
    async def follow(self, seen: Seen, *, here: bool) -> AsyncGenerator[None]:
        """Run an event handler in a second runtime: over this store, or as another pod would."""

        def note(context: Context) -> None:
            seen(context.stream, context.version)

        domain = watching("watch-here" if here else "watch", note)
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
    parser.add_argument("--conditions", action="store_true")
    given = parser.parse_args()
    async with Chekov(given.dsn, conditions=given.conditions) as driver:
        await serve(ProcessingWorker(driver), chekov=chekov.__file__)


if __name__ == "__main__":
    uvloop.run(main())
