"""`GET /events` and `GET /streams/{stream}` as server-sent events (SSE): stored, then new ones."""

import logging
from collections.abc import Awaitable, Callable, Collection, Generator
from contextlib import contextmanager
from typing import Final, Protocol

from aiohttp import web

from chekov.backoff import Backoff
from chekov.domain.authorization import ReadEvents
from chekov.domain.event_filter import EventFilter
from chekov.errors import ChekovError, StoreClosed, StoreUnavailable, StreamNotFound
from chekov.server import parameters, request_ids
from chekov.server.event_writer import ClientStalled, EventWriter, parts
from chekov.server.held_pages import HeldPages, Room
from chekov.server.lifecycle import Lifecycle
from chekov.server.log_end import require_within_log
from chekov.server.permissions import Permissions
from chekov.server.problems import (
    TOO_MANY_EVENT_STREAMS,
    VERSION_CONFLICT,
    RequestError,
    malformed,
)
from chekov.store.filtered_log import FilteredLog
from chekov.store.page_size import size_of
from chekov.store.port import Found, RecordedEvent, Store
from chekov.store.stream_log import StreamLog

_HEARTBEAT_SECONDS: Final = 15.0
_PATIENCE_SECONDS: Final = 30.0
_EVENT_STREAM: Final = "text/event-stream"
_BEGIN_ANEW: Final = (
    "Read from the beginning again, without Last-Event-ID, and forget what you know."
)
_RETRY_AFTER: Final = {"Retry-After": "5"}
_FIRST: Final = 1

_log: Final = logging.getLogger(__name__)


class _Source(Protocol):
    """What is followed: the log, or one stream."""

    ended: bool
    position: int

    async def after(self, number: int, /) -> Found: ...

    def rewind(self) -> None: ...


class EventStream:
    """Follows the log or a stream for each of its clients.

    Args:
        store: what they read.
        lifecycle: their responses end at the drain.
        permissions: whether they may.
        held: bounds what is held for them together.
        most: how many may be connected at once.
        heartbeat: seconds without an event after which a client is sent a comment.
        patience: seconds after which a client that does not read is dropped.

    Attributes:
        connected: how many clients there are.
    """

    def __init__(
        self,
        store: Store,
        lifecycle: Lifecycle,
        permissions: Permissions,
        held: HeldPages,
        *,
        most: int,
        heartbeat: float = _HEARTBEAT_SECONDS,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._permissions = permissions
        self._held = held
        self._most = most
        self._heartbeat = heartbeat
        self._patience = patience
        self.connected = 0

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The events of all streams; ids are positions."""
        await self._permissions.require(ReadEvents())
        wanted = parameters.event_filter(request.query)
        start = _start(request, parameters.FILTERS)
        await require_within_log(self._store, start, _BEGIN_ANEW)
        return await self._respond(request, _Log(self._store, wanted), start, _position)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """The events of one stream; ids are versions."""
        start = _start(request)
        name = request.match_info["stream"]
        await self._permissions.require(ReadEvents(name))
        info = await self._store.streams.info(name)
        if info.version < _FIRST:
            raise StreamNotFound(info.stream)
        if start > info.version:
            raise RequestError(
                VERSION_CONFLICT,
                f"The stream ends at version {info.version}, before {start}: it was erased and "
                f"begun anew, or the log was restored to an earlier state. {_BEGIN_ANEW}",
                {"stream": info.stream, "expected": start, "actual": info.version},
            )
        return await self._respond(request, StreamLog(self._store, info), start, _version)

    async def _respond(
        self,
        request: web.Request,
        source: _Source,
        start: int,
        number: Callable[[RecordedEvent], int],
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                "Content-Type": _EVENT_STREAM,
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
                **request_ids.of_answer(),
            }
        )
        # Once the response has started, an unavailable store can no longer be reported.
        await self._store.ping()
        if request.method == "HEAD":
            return response
        with self._place():
            response.force_close()
            await response.prepare(request)
            transport = request.transport
            if transport is None:
                return response  # the client left
            writer = EventWriter(
                response,
                transport,
                heartbeat=self._heartbeat,
                patience=self._patience,
                is_crowded=lambda: self._held.is_crowded,
            )
            try:
                async with self._lifecycle.until_drained():
                    await writer.begin()
                    await self._follow(writer, source, start, number)
            except ClientStalled:
                _log.info("a client of an event stream does not read, and is dropped")
                writer.abort()
            except ConnectionError:
                writer.abort()  # the client left
            except ChekovError as error:
                # A problem document cannot follow a response that has started.
                _log.error("an event stream failed", exc_info=error)
                writer.abort()
        return response

    async def _follow(
        self,
        writer: EventWriter,
        source: _Source,
        last: int,
        number: Callable[[RecordedEvent], int],
    ) -> None:
        tail = self._store.tail
        backoff = Backoff()
        resets = tail.resets.value
        # Of a log that was restored, the client learns when it comes back.
        while not source.ended and tail.resets.value == resets:
            await writer.keep_alive()
            drops = tail.drops.value
            try:
                found, room = await self._read(source, last)
                if not found.events and not source.ended:
                    last = found.through
                    await self._store.wait("events", source.position, writer.idle_seconds)
            except StoreClosed:
                return
            except StoreUnavailable:
                await backoff.wait()
                continue
            backoff.reset()
            try:
                for part in parts(found.events):
                    if drops != tail.drops.value:
                        break  # it may have been erased
                    await writer.send(part, number)
                    last = number(part[-1])
                    if writer.is_slow and self._held.is_crowded:
                        source.rewind()
                        break
                else:
                    last = found.through
            finally:
                room.leave()

    async def _read(self, source: _Source, last: int) -> tuple[Found, Room]:
        return await self._held.read(
            lambda: source.after(last), lambda found: size_of(found.events), patient=True
        )

    @contextmanager
    def _place(self) -> Generator[None]:
        if self.connected >= self._most:
            raise RequestError(
                TOO_MANY_EVENT_STREAMS,
                f"{self._most} clients follow events here already: come back later, read pages, "
                "or have CHEKOV_MAX_EVENT_STREAMS raised.",
                headers=_RETRY_AFTER,
            )
        self.connected += 1
        try:
            yield
        finally:
            self.connected -= 1


class _Log:
    """The events of the log that match a filter."""

    def __init__(self, store: Store, wanted: EventFilter) -> None:
        self.ended = False
        self.position = 0
        self._log = FilteredLog(store, wanted)

    async def after(self, number: int, /) -> Found:
        found = await self._log.after(number)
        self.position = found.through
        return found

    def rewind(self) -> None:
        """Nothing is remembered but the size of pages."""


def either(
    json: Callable[[web.Request], Awaitable[web.StreamResponse]],
    event_stream: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Chooses what a client asks for in `Accept`: a page, or server-sent events."""

    def get(request: web.Request) -> Awaitable[web.StreamResponse]:
        streamed = _EVENT_STREAM in request.headers.get("Accept", "").lower()
        return (event_stream if streamed else json)(request)

    return get


def _start(request: web.Request, further: Collection[str] = ()) -> int:
    page = parameters.page(request.query, request.headers, further)
    if page.direction == "backward":
        raise malformed("path", "direction", "an event stream goes forward only")
    return page.after


def _position(event: RecordedEvent) -> int:
    return event.position


def _version(event: RecordedEvent) -> int:
    return event.version
