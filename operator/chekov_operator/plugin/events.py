"""`kubectl chekov events`: the event log of a bundle's store, listed and followed."""

import base64
import time
from argparse import Namespace
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final

from chekov.backoff import Backoff
from chekov.client import Client, ReceivedEvent, Unreachable
from chekov.domain.event_filter import EventFilter
from chekov.serialization.json import to_json
from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.objects import Object
from chekov_operator.kube.text import printable
from chekov_operator.plugin.cluster import Cluster, opened
from chekov_operator.plugin.failure import PluginError
from chekov_operator.plugin.output import show, show_table
from chekov_operator.plugin.pod_api import NoPod, api

_COLUMNS: Final = ("position", "stream", "version", "type", "time", "data")
_POD_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 120.0

_Event = ReceivedEvent[Any]


async def events(arguments: Namespace) -> int:
    """List events; with `--follow`, go on with new ones until interrupted."""
    if arguments.limit < 1:
        raise PluginError("--limit: expected 1 or more")
    async with opened(arguments) as cluster:
        bundle = await cluster.bundle(arguments.bundle)
        async with api(cluster, bundle, arguments.token_file) as client:
            listed = await _listed(client, arguments)
        if arguments.output == "table" and not arguments.follow:
            show_table(_COLUMNS, map(_row, listed))
            return 0
        for event in listed:
            _show_line(event, arguments.output)
        if arguments.follow:
            await _follow(cluster, bundle, arguments, listed)
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


async def _follow(
    cluster: Cluster, bundle: Object, arguments: Namespace, listed: Sequence[_Event]
) -> None:
    """New events, by one pod after the other."""

    def place_of(event: _Event) -> int:
        return event.position if arguments.stream is None else event.version

    after: int = place_of(listed[-1]) if listed else arguments.after or 0
    backoff, token, patience = Backoff(0.5, 5.0), arguments.token_file, _Patience()
    while True:
        try:
            async with (
                api(cluster, bundle, token, seconds=_POD_SECONDS) as client,
                aclosing(client.subscribe(filter=_wanted(arguments), after=after)) as following,
            ):
                async for event in following:
                    _show_line(event, arguments.output)
                    after = place_of(event)
                    patience.renew()
        except (Unreachable, ApiError, ApiUnavailable, NoPod) as error:
            # A pod that is replaced is gone for a moment; one that may not be asked, for good.
            if patience.is_over or getattr(error, "status", None) == HTTPStatus.FORBIDDEN:
                raise
        else:
            return  # the stream was deleted
        await backoff.wait()


class _Patience:
    """How long there may be no pod that answers."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self._end = time.monotonic() + _PATIENCE_SECONDS

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self._end


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
