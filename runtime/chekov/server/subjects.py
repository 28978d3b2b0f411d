"""`DELETE /subjects/{subject}`: makes a person's data unreadable for good."""

from aiohttp import web

from chekov.runtime import Runtime


class Subjects:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Forget a subject; the response does not reveal whether anything was stored."""
        await self._runtime.forget(request.match_info["subject"])
        return web.Response(status=204)
