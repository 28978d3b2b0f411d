"""`/subscriptions` on the management port: their state, pausing, resuming and parked events."""

import hmac
from collections.abc import Callable
from dataclasses import asdict

from aiohttp import web

from chekov.runtime import Runtime
from chekov.serialization.json import to_json
from chekov.server import parameters
from chekov.server.commands import JSON
from chekov.server.endpoint import reporting_problems
from chekov.server.lifecycle import Lifecycle
from chekov.server.problems import NOT_READY, UNAUTHORIZED, RequestError


class SubscriptionEndpoints:
    """Shows and changes the subscriptions of a domain.

    Args:
        runtime: returns the runtime; `None` while it is not open.
        lifecycle: says why it is not.
        token: what changing requests have to present as a bearer token; empty for none.
    """

    def __init__(
        self, runtime: Callable[[], Runtime | None], lifecycle: Lifecycle, token: str
    ) -> None:
        self._runtime = runtime
        self._lifecycle = lifecycle
        self._token = token.encode()

    def routes(self) -> list[web.RouteDef]:
        path = "/subscriptions/{name}"
        return [
            web.get("/subscriptions", reporting_problems(self.list)),
            web.get(f"{path}/parked", reporting_problems(self.parked)),
            web.post(f"{path}/pause", reporting_problems(self.pause)),
            web.post(f"{path}/resume", reporting_problems(self.resume)),
        ]

    async def list(self, _request: web.Request) -> web.StreamResponse:
        states = [asdict(status) for status in self._opened().subscriptions.values()]
        return web.Response(body=to_json({"subscriptions": states}), headers=JSON)

    async def parked(self, request: web.Request) -> web.StreamResponse:
        parameters.refuse_unknown(request.query, {"limit"})
        found = await self._opened().parked(
            request.match_info["name"], limit=parameters.limit(request.query)
        )
        return web.Response(body=to_json({"parked": found}), headers=JSON)

    async def pause(self, request: web.Request) -> web.StreamResponse:
        self._authorize(request)
        await self._opened().pause(request.match_info["name"])
        return web.Response(status=204)

    async def resume(self, request: web.Request) -> web.StreamResponse:
        self._authorize(request)
        await self._opened().resume(request.match_info["name"])
        return web.Response(status=204)

    def _opened(self) -> Runtime:
        runtime = self._runtime()
        if runtime is None:
            raise RequestError(NOT_READY, self._lifecycle.reason)
        return runtime

    def _authorize(self, request: web.Request) -> None:
        if not self._token:
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), self._token):
            raise RequestError(
                UNAUTHORIZED,
                "Changing a subscription requires the management token.",
                headers={"WWW-Authenticate": "Bearer"},
            )
