"""The lag of each bundle as JSON, for autoscalers that ask for it over HTTP, such as KEDA."""

import asyncio
from typing import Final

from aiohttp import web

from chekov_operator.kube.api_error import ApiError, ApiUnavailable
from chekov_operator.kube.client import Client
from chekov_operator.kube.kinds import BUNDLE, InvalidPathSegment
from chekov_operator.kube.objects import Object, nested

_AT_ONCE: Final = 4
"""Requests to the API server: whoever asks too much must not take the operator's connections."""
_SHOWN: Final = ("lag", "parked", "replicas", "readyReplicas")


class BundleLag:
    """Answers with what the status of a bundle says, in each replica, whether it leads or not.

    Attributes:
        client: set once the API server can be asked.
    """

    def __init__(self) -> None:
        self.client: Client | None = None
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer `GET /bundles/{namespace}/{name}`."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        if self.client is None:
            return _refusal(503, "the operator is starting")
        try:
            async with self._turn:
                found = await self.client.get(BUNDLE, namespace, name)
        except InvalidPathSegment:
            found = None
        except (ApiError, ApiUnavailable) as error:
            return _refusal(503, str(error))
        if found is None:
            message = f"there is no DomainBundle {name!r} in the namespace {namespace!r}"
            return _refusal(404, message)
        status: Object = nested(found, "status") or {}
        if "lag" not in status:
            return _refusal(503, "its code has not been checked, or its store not read yet")
        return web.json_response({name: status[name] for name in _SHOWN if name in status})


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)
