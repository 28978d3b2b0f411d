"""`GET /events` as server-sent events (SSE): stored events, then new ones as they are stored."""

from collections.abc import Iterable
from typing import Final

from aiohttp import web

from chekov.domain.event_filter import EventFilter
from chekov.server import headers, parameters, rendering
from chekov.server.lifecycle import Lifecycle
from chekov.server.problems import malformed
from chekov.store.filtered_log import FilteredLog
from chekov.store.port import RecordedEvent, Store
from chekov.telemetry import context

_HEARTBEAT_SECONDS: Final = 15.0
_EVENT_STREAM: Final = "text/event-stream"


class EventStream:
    def __init__(
        self,
        store: Store,
        lifecycle: Lifecycle,
        *,
        heartbeat: float = _HEARTBEAT_SECONDS,
    ) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._heartbeat = heartbeat

    async def get(self, request: web.Request) -> web.StreamResponse:
        position = _start(request)
        wanted = parameters.event_filter(request.query)
        response = web.StreamResponse(
            headers={
                "Content-Type": _EVENT_STREAM,
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
                headers.CORRELATION_ID: str(context.correlation_id.get()),
            }
        )
        # Once the response has started, an unavailable store can no longer be reported.
        await self._store.ping()
        response.force_close()
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        async with self._lifecycle.until_drained():
            await self._follow(response, position, wanted)
        return response

    async def _follow(
        self, response: web.StreamResponse, position: int, wanted: EventFilter
    ) -> None:
        log = FilteredLog(self._store, wanted)
        while True:
            found = await log.after(position)
            await _send(response, found.events)
            if found.through > position:
                position = found.through
            elif await self._store.wait("events", position, self._heartbeat) <= position:
                await response.write(b": still here\n\n")


def wants_stream(request: web.Request) -> bool:
    """Whether a client asks for server-sent events."""
    return _EVENT_STREAM in request.headers.get("Accept", "")


async def _send(response: web.StreamResponse, recorded: Iterable[RecordedEvent]) -> None:
    data = b"".join(map(_event, recorded))
    if data:
        await response.write(data)


def _event(recorded: RecordedEvent) -> bytes:
    # In stored JSON, a line end can only be white space between tokens; clients join the lines.
    data = rendering.event(recorded).replace(b"\r", b"").replace(b"\n", b"\ndata: ")
    return b"id: %d\ndata: %b\n\n" % (recorded.position, data)


def _start(request: web.Request) -> int:
    page = parameters.page(request.query, parameters.FILTERS)
    if page.direction == "backward":
        raise malformed("path", "direction", "an event stream goes forward only")
    last = request.headers.get("Last-Event-ID")
    if last is None:
        return page.after
    if not last.isascii() or not last.isdecimal():
        raise malformed("header", "Last-Event-ID", "expected a position", last)
    return int(last)
