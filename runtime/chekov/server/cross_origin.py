"""Requests of pages that come from elsewhere (CORS), for the origins that the settings name.

Browsers send no cookies along: callers are known by their bearer tokens.
"""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from chekov.server import headers
from chekov.server.request_ids import REQUEST_ID

ANY: Final = "*"

_EXPOSED: Final = (
    "Allow, ETag, Idempotency-Replayed, Preference-Applied, Retry-After, WWW-Authenticate, "
    f"{headers.CORRELATION_ID}, {REQUEST_ID}"
)
_ACCEPTED: Final = (
    "Authorization, Content-Encoding, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
    f"Prefer, traceparent, tracestate, {headers.CAUSATION_ID}, {headers.CORRELATION_ID}, "
    f"{headers.LAST_EVENT_ID}, {headers.METADATA}, {headers.MIN_POSITION}, {REQUEST_ID}"
)
_MAX_AGE: Final = "600"


class CrossOrigin:
    """Lets pages of some origins read the answers.

    Args:
        origins: as browsers send them, such as `https://shop.example`; or `*` for all.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)

    async def prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the headers to a response that is about to begin."""
        origin = request.headers.get("Origin")
        if ANY in self._origins:
            allowed = ANY
        else:
            vary = response.headers.get("Vary")
            response.headers["Vary"] = f"{vary}, Origin" if vary else "Origin"
            allowed = origin if origin in self._origins else None
        if origin is None or allowed is None:
            return
        response.headers["Access-Control-Allow-Origin"] = allowed
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        if request.method == "OPTIONS" and "Allow" in response.headers:
            response.headers["Access-Control-Allow-Methods"] = response.headers["Allow"]
            response.headers["Access-Control-Allow-Headers"] = _ACCEPTED
            response.headers["Access-Control-Max-Age"] = _MAX_AGE
