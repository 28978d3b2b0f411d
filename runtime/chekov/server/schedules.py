"""`/scheduled` on the management port: scheduled and recurring commands."""

from dataclasses import asdict
from uuid import UUID

from aiohttp import web

from chekov.engine.processes.schedule_control import read_cursor
from chekov.serialization.json import to_json
from chekov.server import parameters
from chekov.server.commands import JSON
from chekov.server.endpoint import reporting_problems
from chekov.server.management_access import ManagementAccess
from chekov.server.problems import NOT_FOUND, RequestError, malformed


class ScheduleEndpoints:
    """Lists and cancels what is scheduled."""

    def __init__(self, access: ManagementAccess) -> None:
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/scheduled", reporting_problems(self.list)),
            web.delete("/scheduled/{id}", reporting_problems(self.cancel)),
        ]

    async def list(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        parameters.refuse_unknown(request.query, {"after", "limit"})
        try:
            after = read_cursor(request.query.get("after", ""))
        except ValueError as error:
            raise malformed("path", "after", str(error)) from None
        limit = parameters.limit(request.query)
        found = await self._access.opened().scheduled.list(after=after, limit=limit)
        page = {
            "scheduled": list(map(asdict, found)),
            "next": found[-1].cursor if len(found) == limit else None,
        }
        return web.Response(body=to_json(page), headers=JSON)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        self._access.authorize(request)
        given = request.match_info["id"]
        try:
            id_ = UUID(given)
        except ValueError:
            raise malformed("path", "id", "expected a UUID", given) from None
        if not await self._access.opened().scheduled.cancel(id_):
            raise RequestError(NOT_FOUND, f"Nothing is scheduled with the id {id_}.")
        return web.Response(status=204)
