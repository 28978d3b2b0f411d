"""`chekov events`, `streams` and `subscriptions`: lists what a store contains."""

import asyncio
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from chekov.cli.output import Output, show, show_json, show_table
from chekov.cli.store import opened, store_settings
from chekov.domain.event_filter import EventFilter
from chekov.server import rendering
from chekov.server.domain_loader import load_domain
from chekov.server.lifecycle import Lifecycle
from chekov.server.serve import run
from chekov.server.settings import Settings
from chekov.store.port import Direction, RecordedEvent, Store, SubscriptionRow

_COLUMNS: Final = ("position", "stream", "version", "type", "time", "data")
_SUBSCRIPTION_COLUMNS: Final = (
    "name", "version", "partition", "state", "position", "lag", "parked", "owner", "error",
)  # fmt: skip
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


def subscriptions(arguments: Namespace) -> int:
    settings = store_settings(arguments)
    name = arguments.domain
    if name is None:
        settings.require("domain")
        name = load_domain(settings.domain, Path(settings.path or ".")).name
    rows = [_subscription(row) for row in asyncio.run(_subscriptions(settings, name))]
    if arguments.output == "json":
        show_json(rows)
    else:
        show_table(_SUBSCRIPTION_COLUMNS, rows)
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


async def _subscriptions(settings: Settings, domain: str) -> Sequence[tuple[SubscriptionRow, int]]:
    async with opened(settings) as store:
        rows = await store.subscriptions.list(domain)
        head = await store.head()
    return [(row, head) for row in rows]


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
            await store.events.changed(position, _WAIT_SECONDS)


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


def _subscription(found: tuple[SubscriptionRow, int]) -> dict[str, Any]:
    row, head = found
    return {
        "name": row.key.name,
        "version": row.key.version,
        "partition": row.key.partition,
        "state": row.state,
        "position": row.position,
        "lag": head - row.position,
        "parked": row.parked,
        "owner": row.owner,
        "error": row.error,
    }
