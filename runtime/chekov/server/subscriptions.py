"""`/subscriptions` on the management port: their state, pausing, resuming and parked events."""

from dataclasses import asdict

from aiohttp import web

from chekov.serialization.json import to_json
from chekov.server import parameters
from chekov.server.commands import JSON
from chekov.server.endpoint import reporting_problems
from chekov.server.management_access import ManagementAccess


class SubscriptionEndpoints:
    """Shows and changes the subscriptions of a domain."""

    def __init__(self, access: ManagementAccess) -> None:
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        path = "/subscriptions/{name}"
        return [
            web.get("/subscriptions", reporting_problems(self.list)),
            web.get(f"{path}/parked", reporting_problems(self.parked)),
            web.post(f"{path}/pause", reporting_problems(self.pause)),
            web.post(f"{path}/resume", reporting_problems(self.resume)),
        ]

    async def list(self, _request: web.Request) -> web.StreamResponse:
        states = [asdict(status) for status in self._access.opened().subscriptions.values()]
        return web.Response(body=to_json({"subscriptions": states}), headers=JSON)

    async def parked(self, request: web.Request) -> web.StreamResponse:
        parameters.refuse_unknown(request.query, {"limit"})
        found = await self._access.opened().parked(
            request.match_info["name"], limit=parameters.limit(request.query)
        )
        return web.Response(body=to_json({"parked": found}), headers=JSON)

    async def pause(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        await self._access.opened().pause(request.match_info["name"])
        return web.Response(status=204)

    async def resume(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        await self._access.opened().resume(request.match_info["name"])
        return web.Response(status=204)
