"""`GET /streams`, `/streams/{stream}` and `/events`: stored events, page by page."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from chekov.errors import StreamNotFound
from chekov.serialization.json import to_json
from chekov.server import parameters, rendering
from chekov.server.commands import JSON
from chekov.store.port import RecordedEvent, Store

_FIRST: Final = 1


class Streams:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def streams(self, request: web.Request) -> web.StreamResponse:
        """The streams by name."""
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
        page = parameters.page(request.query, {"until"})
        name = request.match_info["stream"]
        found = await self._store.read_stream(
            name,
            after=page.after,
            limit=page.limit + 1,
            direction=page.direction,
            until=parameters.until(request.query),
        )
        if not found:
            # A page after the end of a stream is empty; a stream that does not exist is an error.
            await self._exists(name)
        shown = found[: page.limit]
        following = shown[-1].version if len(found) > page.limit else None
        body = rendering.page(shown, following, stream=rendering.text(name).encode())
        return web.Response(body=body, headers=JSON)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The events of all streams by position."""
        page = parameters.page(request.query, parameters.FILTERS)
        wanted = parameters.event_filter(request.query)
        found = await self._store.read_page(
            after=page.after, limit=page.limit + 1, direction=page.direction, filter=wanted
        )
        shown: Sequence[RecordedEvent] = found[: page.limit]
        following = shown[-1].position if len(found) > page.limit else None
        return web.Response(body=rendering.page(shown, following), headers=JSON)

    async def _exists(self, name: str) -> None:
        info = await self._store.streams.info(name)
        if info.version < _FIRST:
            raise StreamNotFound(name)
