"""`/processes` on the management port: open instances of process managers."""

from dataclasses import asdict

from aiohttp import web

from chekov.serialization.json import to_json
from chekov.server import parameters
from chekov.server.commands import JSON
from chekov.server.endpoint import reporting_problems
from chekov.server.management_access import ManagementAccess
from chekov.server.problems import malformed


class ProcessEndpoints:
    """Shows open instances, and releases or discards what was set aside."""

    def __init__(self, access: ManagementAccess) -> None:
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/processes", reporting_problems(self.list)),
            web.get("/processes/{name}", reporting_problems(self.list)),
            web.get("/processes/{name}/discarded", reporting_problems(self.discarded)),
            web.post("/processes/{name}/release", reporting_problems(self.release)),
            web.post("/processes/{name}/discard", reporting_problems(self.discard)),
        ]

    async def list(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        parameters.refuse_unknown(request.query, {"after", "limit"})
        found = await self._access.opened().processes.list(
            request.match_info.get("name"),
            after=request.query.get("after", ""),
            limit=parameters.limit(request.query),
        )
        return web.Response(body=to_json({"processes": list(map(asdict, found))}), headers=JSON)

    async def discarded(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        query = request.query
        parameters.refuse_unknown(query, {"after", "limit"})
        found = await self._access.opened().processes.discarded(
            request.match_info["name"], after=parameters.after(query), limit=parameters.limit(query)
        )
        shown = [item._asdict() for item in found]
        return web.Response(body=to_json({"discarded": shown}), headers=JSON)

    async def release(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        parameters.refuse_unknown(request.query, {"instance"})
        released = await self._access.opened().processes.release(
            request.match_info["name"], instance=request.query.get("instance")
        )
        return web.Response(body=to_json({"released": released}), headers=JSON)

    async def discard(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        parameters.refuse_unknown(request.query, {"instance", "reason"})
        reason = request.query.get("reason", "")
        if not reason.strip():
            raise malformed("path", "reason", "expected why the inputs are given up")
        discarded = await self._access.opened().processes.discard(
            request.match_info["name"], reason=reason, instance=request.query.get("instance")
        )
        return web.Response(body=to_json({"discarded": discarded}), headers=JSON)
