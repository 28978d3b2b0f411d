"""`GET /streams`, `/streams/{stream}` and `/events`: stored events, page by page."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import web

from chekov.domain.authorization import ReadEvents
from chekov.errors import StreamNotFound
from chekov.serialization.json import to_json
from chekov.server import parameters, rendering
from chekov.server.commands import JSON
from chekov.server.held_pages import HeldPages
from chekov.server.parameters import Page
from chekov.server.permissions import Permissions
from chekov.store.page_size import PageSize
from chekov.store.port import RecordedEvent, Store

_FIRST: Final = 1
_PAGE_BYTES: Final = 4 * 1024 * 1024


class Streams:
    def __init__(self, store: Store, permissions: Permissions, held: HeldPages) -> None:
        self._store = store
        self._held = held
        self._permissions = permissions

    async def streams(self, request: web.Request) -> web.StreamResponse:
        """The streams by name."""
        await self._permissions.require(ReadEvents())
        query = request.query
        parameters.refuse_unknown(query, {"prefix", "containing", "after", "limit"})
        limit = parameters.limit(query)
        found = await self._store.streams.list(
            prefix=query.get("prefix", ""),
            containing=query.get("containing", ""),
            after=query.get("after", ""),
            limit=limit + 1,
        )
        shown = found[:limit]
        following = shown[-1].stream if len(found) > limit else None
        body = to_json({"streams": [info._asdict() for info in shown], "next": following})
        return web.Response(body=body, headers=JSON)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """One stream's events by version."""
        page = parameters.page(request.query, request.headers, {"until"})
        name = request.match_info["stream"]
        await self._permissions.require(ReadEvents(name))
        until = parameters.until(request.query)

        def read(after: int, limit: int) -> Awaitable[Sequence[RecordedEvent]]:
            return self._store.read_stream(
                name, after=after, limit=limit, direction=page.direction, until=until
            )

        async def render() -> bytes:
            shown, following = await bounded(read, page, _version)
            if not shown:
                # After the end of a stream, a page is empty; of a stream that does not exist, it is
                # an error.
                await self._exists(name)
            return rendering.page(shown, following, stream=rendering.text(name).encode())

        return await self._held.answer(render)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The events of all streams by position."""
        await self._permissions.require(ReadEvents())
        page = parameters.page(request.query, request.headers, parameters.FILTERS)
        wanted = parameters.event_filter(request.query)

        def read(after: int, limit: int) -> Awaitable[Sequence[RecordedEvent]]:
            return self._store.read_page(
                after=after, limit=limit, direction=page.direction, filter=wanted
            )

        async def render() -> bytes:
            return rendering.page(*await bounded(read, page, _position))

        return await self._held.answer(render)

    async def _exists(self, name: str) -> None:
        info = await self._store.streams.info(name)
        if info.version < _FIRST:
            raise StreamNotFound(name)


async def bounded(
    read: Callable[[int, int], Awaitable[Sequence[RecordedEvent]]],
    page: Page,
    number: Callable[[RecordedEvent], int],
) -> tuple[Sequence[RecordedEvent], int | None]:
    """The events of a page, and the `after` of the next one; `None` on the last.

    A page ends before its limit once it holds 4 MiB: a thousand large events would take a gigabyte.
    It is read in parts that adapt to the size of the events.

    Args:
        read: returns events after a number, so many at most.
        page: what the client asks for.
        number: of an event, as `after` counts them.
    """
    shown: list[RecordedEvent] = []
    after, size, held = page.after, PageSize(), 0
    while True:
        # One more says whether there is a next page.
        limit = min(size.limit, page.limit + 1 - len(shown))
        found = await read(after, limit)
        size.learn(found, limit)
        for event in found:
            if len(shown) == page.limit or held >= _PAGE_BYTES:
                return shown, number(shown[-1])
            shown.append(event)
            held += len(event.data)
        if len(found) < limit:
            return shown, None
        after = number(found[-1])


def _position(event: RecordedEvent) -> int:
    return event.position


def _version(event: RecordedEvent) -> int:
    return event.version
