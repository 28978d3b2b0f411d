"""`chekov events` and `chekov streams`: lists stored events."""

import asyncio
from argparse import Namespace
from collections.abc import Iterable
from typing import Any, Final

from chekov.cli.output import Output, show, show_table
from chekov.cli.store import opened, store_settings
from chekov.domain.event_filter import EventFilter
from chekov.server import rendering
from chekov.server.lifecycle import Lifecycle
from chekov.server.serve import run
from chekov.server.settings import Settings
from chekov.store.port import Direction, RecordedEvent, Store

_COLUMNS: Final = ("position", "stream", "version", "type", "time", "data")
_WAIT_SECONDS: Final = 5.0


def events(arguments: Namespace) -> int:
    """List events of all streams; with `--follow`, go on until interrupted."""
    settings = store_settings(arguments)
    if arguments.follow:
        run(lambda lifecycle: _followed(settings, arguments, lifecycle))
    else:
        asyncio.run(_events(settings, arguments))
    return 0


def streams(arguments: Namespace) -> int:
    asyncio.run(_stream(store_settings(arguments), arguments))
    return 0


async def _events(settings: Settings, arguments: Namespace) -> None:
    async with opened(settings) as store:
        page = await store.read_page(
            after=arguments.after,
            limit=arguments.limit,
            direction=_direction(arguments),
            filter=_filter(arguments),
        )
    _show(page, arguments)


async def _stream(settings: Settings, arguments: Namespace) -> None:
    async with opened(settings) as store:
        page = await store.read_stream(
            arguments.stream,
            after=arguments.after,
            limit=arguments.limit,
            direction=_direction(arguments),
        )
        if not page:
            await store.streams.info(arguments.stream)
    _show(page, arguments)


async def _followed(settings: Settings, arguments: Namespace, lifecycle: Lifecycle) -> None:
    async with opened(settings) as store, asyncio.TaskGroup() as group:
        following = group.create_task(_follow(store, arguments))
        await lifecycle.stopped()
        following.cancel()


async def _follow(store: Store, arguments: Namespace) -> None:
    """Show stored events, then new ones; one per line, as pipes expect."""
    position = arguments.after
    while True:
        head = await store.head()
        page = await store.read_page(
            after=position,
            limit=arguments.limit,
            filter=_filter(arguments),
        )
        for recorded in page:
            _show_line(recorded, arguments.output)
            position = recorded.position
        if len(page) < arguments.limit:
            position = max(position, head)
            await store.wait("events", position, _WAIT_SECONDS)


def _filter(arguments: Namespace) -> EventFilter:
    types = None if arguments.type is None else frozenset(arguments.type)
    return EventFilter(types=types, category=arguments.category)


def _direction(arguments: Namespace) -> Direction:
    return "backward" if arguments.backward else "forward"


def _show(page: Iterable[RecordedEvent], arguments: Namespace) -> None:
    if arguments.output == "json":
        for recorded in page:
            _show_line(recorded, "json")
    else:
        show_table(_COLUMNS, map(_row, page))


def _show_line(recorded: RecordedEvent, output: Output) -> None:
    if output == "json":
        show(rendering.event(recorded).decode())
    else:
        row = _row(recorded)
        show("   ".join(str(row[column]) for column in _COLUMNS))


def _row(recorded: RecordedEvent) -> dict[str, Any]:
    return {
        "position": recorded.position,
        "stream": recorded.stream,
        "version": recorded.version,
        "type": recorded.type,
        "time": recorded.time.isoformat(timespec="milliseconds"),
        "data": rendering.content(recorded),
    }
