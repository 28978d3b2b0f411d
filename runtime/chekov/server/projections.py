"""`/projections` on the management port: generations, rebuilding, cancelling and dropping."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from chekov.serialization.json import to_json
from chekov.server import parameters
from chekov.server.commands import JSON
from chekov.server.endpoint import reporting_problems
from chekov.server.management_access import ManagementAccess
from chekov.server.problems import malformed
from chekov.store.port import Generation, SubscriptionKey


def shown(generation: Generation) -> Mapping[str, Any]:
    """A generation as people and machines read it."""
    key, left = generation.key, generation.seconds_left
    return {
        "name": key.name,
        "version": key.version,
        "generation": key.generation,
        "state": generation.state,
        "ratio": round(generation.ratio, 4),
        "seconds_left": None if left is None else round(left, 1),
        "position": generation.position,
        "target": generation.target,
        "in_use": generation.in_use,
        "schema": generation.schema_name,
    }


class ProjectionEndpoints:
    """Shows and changes the generations of a domain's projections."""

    def __init__(self, access: ManagementAccess) -> None:
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        path = "/projections/{name}"
        return [
            web.get("/projections", reporting_problems(self.list)),
            web.post(f"{path}/rebuild", reporting_problems(self.rebuild)),
            web.post(f"{path}/cancel", reporting_problems(self.cancel)),
            web.post(f"{path}/drop", reporting_problems(self.drop)),
        ]

    async def list(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        found = await self._access.opened().projections.list()
        return web.Response(body=to_json({"projections": list(map(shown, found))}), headers=JSON)

    async def rebuild(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        projections = self._access.opened().projections
        return _key(await projections.rebuild(request.match_info["name"]), status=202)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        projections = self._access.opened().projections
        return _key(await projections.cancel(request.match_info["name"]))

    async def drop(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        parameters.refuse_unknown(request.query, {"version", "generation"})
        version = parameters.version(request.query, "version")
        if version is None:
            raise malformed("path", "version", "missing")
        generation = parameters.version(request.query, "generation") or 1
        projections = self._access.opened().projections
        await projections.drop(request.match_info["name"], version, generation)
        return web.Response(status=204)


def _key(key: SubscriptionKey, status: int = 200) -> web.Response:
    members = {"name": key.name, "version": key.version, "generation": key.generation}
    return web.Response(body=to_json(members), status=status, headers=JSON)
