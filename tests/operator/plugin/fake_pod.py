"""A pod's HTTP API and management port on this machine, behind the fake API server."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.operator.fake_api import FakeApi
from tests.operator.plugin.objects import CORE

API, MANAGEMENT = 8080, 9090


@asynccontextmanager
async def listening(
    api: FakeApi, pod: str, port: int, answers: Mapping[str, Any]
) -> AsyncGenerator[list[web.Request]]:
    """A port of a pod that gives these answers by path; yields the requests that came."""
    requests: list[web.Request] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        requests.append(request)
        found = answers.get(request.path)
        if found is None:
            return web.Response(status=404, text="nothing here")
        if isinstance(found, str):
            return web.Response(text=found)
        if callable(found):
            asked = cast("Callable[[web.Request], Awaitable[web.StreamResponse]]", found)
            return await asked(request)
        return web.json_response(found)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        api.ports[f"{CORE}/pods/{pod}", port] = server.make_url("/").port or 0
        yield requests
