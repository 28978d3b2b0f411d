"""`GET /events` as server-sent events (SSE): stored events, then new ones as they are stored."""

from collections.abc import Iterable
from typing import Final

from aiohttp import web

from chekov.domain.event_filter import EventFilter
from chekov.server import headers, parameters, rendering
from chekov.server.lifecycle import Lifecycle
from chekov.server.problems import malformed
from chekov.store.port import RecordedEvent, Store
from chekov.telemetry import context

_PAGE: Final = 500
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
        while True:
            recorded = await self._store.tail.after(position)
            if recorded is None:
                position = await self._catch_up(response, position, wanted)
            elif recorded:
                await _send(response, filter(wanted.matches, recorded))
                position = recorded[-1].position
            elif await self._store.wait("events", position, self._heartbeat) <= position:
                await response.write(b": still here\n\n")

    async def _catch_up(
        self, response: web.StreamResponse, position: int, wanted: EventFilter
    ) -> int:
        """Send one page of what is wanted far below the head, and return the position after it."""
        head = self._store.tail.head.value
        page = await self._store.read_page(after=position, limit=_PAGE, filter=wanted)
        await _send(response, page)
        if len(page) == _PAGE:
            return page[-1].position
        # The store has nothing else that is wanted up to what was its head before the page.
        return max(head, page[-1].position if page else position)


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
