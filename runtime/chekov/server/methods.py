"""What a port answers where it has no route: the methods of an address, or that there is none."""

from typing import Final

from aiohttp import web

from chekov.server.problems import METHOD_NOT_ALLOWED, NOT_FOUND, RequestError

ANY_PATH: Final = "/{path:.*}"
"""The route of everything that has no other; it comes last."""


async def options(request: web.Request) -> web.StreamResponse:
    """List the methods of an address.

    Raises:
        RequestError: there is nothing at this address.
    """
    return web.Response(status=204, headers={"Allow": await _allowed(request)})


async def not_found(request: web.Request) -> web.StreamResponse:
    """Report whether the path is wrong or only the method.

    Raises:
        RequestError: always.
    """
    listed = await _allowed(request)
    raise RequestError(
        METHOD_NOT_ALLOWED,
        f"{request.method} is not allowed here; use {listed}.",
        headers={"Allow": listed},
    )


async def _allowed(request: web.Request) -> str:
    found: set[str] = set()
    for resource in request.app.router.resources():
        if resource.canonical != ANY_PATH.replace(":.*", ""):
            _, methods = await resource.resolve(request)
            found |= methods
    if not found:
        raise RequestError(NOT_FOUND, f"There is nothing at {request.path[:200]}.")
    return ", ".join(sorted(found | {"OPTIONS"}))
