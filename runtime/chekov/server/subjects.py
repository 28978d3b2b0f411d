"""`DELETE /subjects/{subject}`: makes the personal data about somebody unreadable, for ever."""

from aiohttp import web

from chekov.runtime import Runtime


class Forgetting:
    """Forgets."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """The handler: the same answer whether or not there was anything to forget."""
        await self._runtime.forget(request.match_info["subject"])
        return web.Response(status=204)
