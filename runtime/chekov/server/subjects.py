"""`DELETE /subjects/{subject}`: makes a person's data unreadable for good."""

from aiohttp import web

from chekov.domain.authorization import ForgetSubject
from chekov.runtime import Runtime
from chekov.server.permissions import Permissions


class Subjects:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._permissions = Permissions(runtime.domain)

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Forget a subject; the response does not reveal whether anything was stored."""
        subject = request.match_info["subject"]
        await self._permissions.require(ForgetSubject(subject))
        await self._runtime.forget(subject)
        return web.Response(status=204)
