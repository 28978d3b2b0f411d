"""`kubectl chekov events`: the event log of a bundle's store, listed and followed."""

import base64
from argparse import Namespace
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final

from chekov.client import Client, ReceivedEvent
from chekov.domain.event_filter import EventFilter
from chekov.serialization.json import to_json
from chekov_operator.kube.text import printable
from chekov_operator.plugin.cluster import opened
from chekov_operator.plugin.failure import PluginError
from chekov_operator.plugin.output import show, show_table
from chekov_operator.plugin.pod_api import api

_COLUMNS: Final = ("position", "stream", "version", "type", "time", "data")

_Event = ReceivedEvent[Any]


async def events(arguments: Namespace) -> int:
    """List events; with `--follow`, go on with new ones until interrupted."""
    if arguments.limit < 1:
        raise PluginError("--limit: expected 1 or more")
    async with (
        opened(arguments) as cluster,
        api(cluster, await cluster.bundle(arguments.bundle), arguments.token_file) as client,
    ):
        listed = await _listed(client, arguments)
        if arguments.output == "table" and not arguments.follow:
            show_table(_COLUMNS, map(_row, listed))
            return 0
        for event in listed:
            _show_line(event, arguments.output)
        if arguments.follow:
            await _follow(client, arguments, listed)
    return 0


async def _listed(client: Client, arguments: Namespace) -> Sequence[_Event]:
    """Those after a position, or else the newest ones, in order."""
    if arguments.after is not None:
        found = client.events(
            filter=_wanted(arguments), after=arguments.after, limit=arguments.limit
        )
        return await _all(found)
    newest = client.events(filter=_wanted(arguments), backwards=True, limit=arguments.limit)
    return (await _all(newest))[::-1]


async def _follow(client: Client, arguments: Namespace, listed: Sequence[_Event]) -> None:
    after: int = arguments.after or 0
    if listed:
        last = listed[-1]
        after = last.position if arguments.stream is None else last.version
    async with aclosing(client.subscribe(filter=_wanted(arguments), after=after)) as following:
        async for event in following:
            _show_line(event, arguments.output)


async def _all(found: AsyncGenerator[_Event]) -> list[_Event]:
    async with aclosing(found):
        return [event async for event in found]


def _wanted(arguments: Namespace) -> EventFilter:
    if arguments.stream is not None:
        if arguments.type or arguments.category:
            raise PluginError("--stream lists all events of a stream: leave out --type, --category")
        return EventFilter(stream=arguments.stream)
    types = None if arguments.type is None else frozenset[str](arguments.type)
    return EventFilter(types=types, category=arguments.category)


def _show_line(event: _Event, output: str) -> None:
    if output == "json":
        show(to_json(_document(event)).decode())
    else:
        row = _row(event)
        show("   ".join(str(row[column]) for column in _COLUMNS))


def _row(event: _Event) -> dict[str, Any]:
    return {
        "position": event.position,
        "stream": printable(event.stream),
        "version": event.version,
        "type": printable(event.type),
        "time": event.time.isoformat(timespec="milliseconds"),
        "data": printable(_content(event)),
    }


def _content(event: _Event) -> str:
    try:
        return event.data.decode()
    except UnicodeDecodeError:
        return f"{len(event.data)} bytes"


def _document(event: _Event) -> dict[str, Any]:
    """The event as the HTTP API has it."""
    try:
        data = {"data": event.fields}
    except ValueError:
        data = {"data": None, "data_base64": base64.b64encode(event.data).decode()}
    names = ("position", "stream", "version", "id", "type", "time")
    further = ("correlation_id", "causation_id", "metadata")
    return {
        **{name: getattr(event, name) for name in names},
        **data,
        **{name: getattr(event, name) for name in further},
    }
