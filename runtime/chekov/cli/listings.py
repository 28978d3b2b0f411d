"""`chekov events` and `chekov streams`: lists and follows events, of a store or of a service."""

import asyncio
from argparse import Namespace
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final

from chekov.cli.output import Output, show, show_table
from chekov.cli.received import recorded
from chekov.cli.service import Service, api_of
from chekov.cli.store import opened, store_settings
from chekov.domain.event_filter import EventFilter
from chekov.errors import StreamDeleted, StreamNotFound
from chekov.server import rendering
from chekov.server.lifecycle import Lifecycle
from chekov.server.serve import run
from chekov.server.settings import Settings
from chekov.store.port import Direction, RecordedEvent, Store

_COLUMNS: Final = ("position", "stream", "version", "type", "time", "data")
_WAIT_SECONDS: Final = 5.0

_Events = AsyncGenerator[RecordedEvent]


def events(arguments: Namespace) -> int:
    """List events of all streams; with `--follow`, go on until interrupted."""
    types = None if arguments.type is None else frozenset(arguments.type)
    _list(arguments, EventFilter(types=types, category=arguments.category))
    return 0


def streams(arguments: Namespace) -> int:
    """List events of one stream; with `--follow`, go on until it is deleted, or interrupted."""
    _list(arguments, EventFilter(stream=arguments.stream))
    return 0


def show_events(page: Iterable[RecordedEvent], output: Output) -> None:
    """Show events as a table, or as a line of JSON each."""
    if output == "json":
        for item in page:
            _show_line(item, "json")
    else:
        show_table(_COLUMNS, map(_row, page))


def _list(arguments: Namespace, wanted: EventFilter) -> None:
    service = api_of(arguments)
    if service is None:
        found = _of_store(store_settings(arguments), arguments, wanted)
    else:
        found = _of_service(service, arguments, wanted)
    if arguments.follow:
        run(lambda lifecycle: _followed(found, arguments.output, lifecycle))
    else:
        show_events(asyncio.run(_all(found)), arguments.output)


async def _of_service(service: Service, arguments: Namespace, wanted: EventFilter) -> _Events:
    async with service.client() as client:
        if arguments.follow:
            received = client.subscribe(filter=wanted, after=arguments.after)
        else:
            received = client.events(
                filter=wanted,
                after=arguments.after,
                backwards=arguments.backward,
                limit=arguments.limit,
            )
        async with aclosing(received):
            async for event in received:
                yield recorded(event)


async def _of_store(settings: Settings, arguments: Namespace, wanted: EventFilter) -> _Events:
    async with opened(settings) as store:
        if wanted.stream is not None:
            await store.streams.info(wanted.stream)  # there has to be one
        if arguments.follow:
            async for event in _follow(store, arguments, wanted):
                yield event
        else:
            for event in await _page(store, arguments, wanted, arguments.after):
                yield event


async def _follow(store: Store, arguments: Namespace, wanted: EventFilter) -> _Events:
    """Stored events, then new ones."""
    after: int = arguments.after
    while True:
        head = await store.head()
        page = await _page(store, arguments, wanted, after)
        for event in page:
            yield event
            after = event.position if wanted.stream is None else event.version
        if len(page) == arguments.limit:
            continue
        if wanted.stream is None:
            after = max(after, head)
        elif not await _exists(store, wanted.stream):
            return
        await store.wait("events", head, _WAIT_SECONDS)


async def _exists(store: Store, stream: str) -> bool:
    """Whether a stream that was there has not been deleted, or erased, since."""
    try:
        await store.streams.info(stream)
    except (StreamDeleted, StreamNotFound):
        return False
    return True


async def _page(
    store: Store, arguments: Namespace, wanted: EventFilter, after: int
) -> Sequence[RecordedEvent]:
    direction: Direction = "backward" if arguments.backward else "forward"
    if wanted.stream is not None:
        return await store.read_stream(
            wanted.stream, after=after, limit=arguments.limit, direction=direction
        )
    return await store.read_page(
        after=after, limit=arguments.limit, direction=direction, filter=wanted
    )


async def _all(found: _Events) -> Sequence[RecordedEvent]:
    async with aclosing(found):
        return [event async for event in found]


async def _followed(found: _Events, output: Output, lifecycle: Lifecycle) -> None:
    """Show events, one per line as pipes expect, until they end or the program is to stop."""
    async with asyncio.TaskGroup() as group:
        showing = group.create_task(_show_lines(found, output, lifecycle))
        await lifecycle.stopped()
        showing.cancel()


async def _show_lines(found: _Events, output: Output, lifecycle: Lifecycle) -> None:
    async with aclosing(found):
        async for event in found:
            _show_line(event, output)
    lifecycle.stop()


def _show_line(event: RecordedEvent, output: Output) -> None:
    if output == "json":
        show(rendering.event(event).decode())
    else:
        row = _row(event)
        show("   ".join(str(row[column]) for column in _COLUMNS))


def _row(event: RecordedEvent) -> dict[str, Any]:
    return {
        "position": event.position,
        "stream": event.stream,
        "version": event.version,
        "type": event.type,
        "time": event.time.isoformat(timespec="milliseconds"),
        "data": rendering.content(event),
    }
