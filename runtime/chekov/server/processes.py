"""`/processes` on the management port: open instances of process managers."""

from dataclasses import asdict

from aiohttp import web

from chekov.serialization.json import to_json
from chekov.server import parameters
from chekov.server.commands import JSON
from chekov.server.endpoint import reporting_problems
from chekov.server.management_access import ManagementAccess


class ProcessEndpoints:
    """Shows open instances, and releases what was set aside."""

    def __init__(self, access: ManagementAccess) -> None:
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/processes", reporting_problems(self.list)),
            web.get("/processes/{name}", reporting_problems(self.list)),
            web.post("/processes/{name}/release", reporting_problems(self.release)),
        ]

    async def list(self, request: web.Request) -> web.StreamResponse:
        parameters.refuse_unknown(request.query, {"after", "limit"})
        found = await self._access.opened().processes.list(
            request.match_info.get("name"),
            after=request.query.get("after", ""),
            limit=parameters.limit(request.query),
        )
        return web.Response(body=to_json({"processes": list(map(asdict, found))}), headers=JSON)

    async def release(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        released = await self._access.opened().processes.release(request.match_info["name"])
        return web.Response(body=to_json({"released": released}), headers=JSON)
