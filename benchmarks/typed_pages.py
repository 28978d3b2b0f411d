"""Catch-up without handlers: pages read ahead and decoded into typed events.

This is the only part of the benchmarks that reaches below the public API, and so the only one that
cannot be measured in another release.
"""

import asyncio
import time
from collections.abc import AsyncIterator

from benchmarks.measure import Rate
from chekov import Runtime
from chekov.engine.subscriptions.page_cache import PageCache
from chekov.engine.subscriptions.page_reader import PageReader


async def typed_pages(runtime: Runtime) -> AsyncIterator[int]:
    """Read and decode everything from the origin; yields the number of events in each page."""
    async with asyncio.TaskGroup() as group:
        store = runtime.store
        cache = PageCache(store, store.tail.drops, group.create_task)
        pages = PageReader(cache, store.tail)
        after = 0
        while page := await pages.after(after):
            yield len(runtime.codec.decode_page(page))
            after = page[-1].position
        pages.close()


async def catch_up(runtime: Runtime) -> Rate:
    """Read and decode everything from the origin."""
    started = time.perf_counter()
    count = 0
    async for events in typed_pages(runtime):
        count += events
    return Rate(count, time.perf_counter() - started, started=started)
