"""`/subscriptions` on the management port: their state, and what people do to them."""

from dataclasses import asdict
from typing import Any, Final

from aiohttp import web

from chekov.serialization.json import to_json
from chekov.server import parameters
from chekov.server.commands import JSON
from chekov.server.endpoint import reporting_problems
from chekov.server.management_access import ManagementAccess
from chekov.server.problems import malformed
from chekov.store.start_points import parse_start

_CHOICE: Final = frozenset({"key", "fingerprint", "position", "after", "limit"})
"""The parameters that choose parked events."""


class SubscriptionEndpoints:
    """Shows and changes the subscriptions of a domain."""

    def __init__(self, access: ManagementAccess) -> None:
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        path = "/subscriptions/{name}"
        return [
            web.get("/subscriptions", reporting_problems(self.list)),
            web.get("/subscriptions/abandoned", reporting_problems(self.abandoned)),
            web.get(f"{path}/parked", reporting_problems(self.parked)),
            web.get(f"{path}/parked/groups", reporting_problems(self.groups)),
            web.get(f"{path}/discarded", reporting_problems(self.discarded)),
            web.post(f"{path}/retry", reporting_problems(self.retry)),
            web.post(f"{path}/discard", reporting_problems(self.discard)),
            web.post(f"{path}/pause", reporting_problems(self.pause)),
            web.post(f"{path}/resume", reporting_problems(self.resume)),
            web.post(f"{path}/rewind", reporting_problems(self.rewind)),
            web.post(f"{path}/remove", reporting_problems(self.remove)),
        ]

    async def list(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        states = [asdict(status) for status in self._access.opened().subscriptions.values()]
        return web.Response(body=to_json({"subscriptions": states}), headers=JSON)

    async def abandoned(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        parameters.refuse_unknown(request.query, ())
        found = await self._access.opened().abandoned.list()
        return web.Response(body=to_json({"abandoned": found}), headers=JSON)

    async def parked(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        chosen = _chosen(request)
        found = await self._access.opened().parked(request.match_info["name"], **chosen)
        return web.Response(body=to_json({"parked": found}), headers=JSON)

    async def groups(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        parameters.refuse_unknown(request.query, ())
        found = await self._access.opened().parked_groups(request.match_info["name"])
        return web.Response(body=to_json({"groups": found}), headers=JSON)

    async def discarded(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        query = request.query
        parameters.refuse_unknown(query, {"after", "limit"})
        found = await self._access.opened().discarded(
            request.match_info["name"], after=parameters.after(query), limit=parameters.limit(query)
        )
        return web.Response(body=to_json({"discarded": found}), headers=JSON)

    async def retry(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        chosen = _chosen(request)
        positions = await self._access.opened().retry(request.match_info["name"], **chosen)
        return web.Response(body=to_json({"positions": positions}), headers=JSON)

    async def discard(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        chosen = _chosen(request, "reason")
        reason = request.query.get("reason", "")
        if not reason.strip():
            raise malformed("path", "reason", "expected why the events are given up")
        positions = await self._access.opened().discard(
            request.match_info["name"], reason=reason, **chosen
        )
        return web.Response(body=to_json({"positions": positions}), headers=JSON)

    async def pause(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        await self._access.opened().pause(request.match_info["name"], by="the management port")
        return web.Response(status=204)

    async def resume(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        await self._access.opened().resume(request.match_info["name"])
        return web.Response(status=204)

    async def rewind(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        query = request.query
        parameters.refuse_unknown(query, {"from", "version"})
        try:
            start = parse_start(query.get("from", ""))
        except ValueError as error:
            raise malformed("path", "from", str(error)) from None
        position = await self._access.opened().rewind(
            request.match_info["name"], start, version=parameters.version(query, "version")
        )
        return web.Response(body=to_json({"position": position}), headers=JSON)

    async def remove(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        parameters.refuse_unknown(request.query, {"version"})
        version = parameters.version(request.query, "version")
        if version is None:
            raise malformed("path", "version", "missing")
        await self._access.opened().abandoned.remove(request.match_info["name"], version)
        return web.Response(status=204)


def _chosen(request: web.Request, *further: str) -> dict[str, Any]:
    """Which parked events a request is about.

    Raises:
        RequestError: a parameter is unknown or out of range.
    """
    query = request.query
    parameters.refuse_unknown(query, {*_CHOICE, *further})
    return {
        "key": query.get("key"),
        "fingerprint": query.get("fingerprint"),
        "position": parameters.version(query, "position"),
        "after": parameters.after(query),
        "limit": parameters.limit(query),
    }
