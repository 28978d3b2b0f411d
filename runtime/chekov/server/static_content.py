"""Answers that never change: read once, compressed once, and sent again only if they are new."""

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from aiohttp import web

from chekov.server.compression import COMPRESSED_FROM, ENCODINGS, preferred

_NOT_MODIFIED: Final = 304


class StaticContent:
    """The handler of one address.

    Args:
        body: the content.
        content_type: its media type.
        headers: further ones.
    """

    def __init__(
        self, body: bytes, content_type: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._bodies: dict[str | None, bytes] = {None: body}
        self._headers = {
            "Content-Type": content_type,
            "ETag": f'W/"{sha256(body).hexdigest()[:32]}"',
            "Cache-Control": "no-cache",
            **headers,
        }
        if len(body) >= COMPRESSED_FROM:
            self._headers["Vary"] = "Accept-Encoding"

    async def get(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("If-None-Match") == self._headers["ETag"]:
            return web.Response(status=_NOT_MODIFIED, headers=self._headers)
        encoding = None
        if "Vary" in self._headers:
            encoding = preferred(request.headers.get("Accept-Encoding", ""))
        response = web.Response(body=await self._body(encoding), headers=self._headers)
        if encoding is not None:
            response.headers["Content-Encoding"] = encoding
        return response

    async def _body(self, encoding: str | None) -> bytes:
        found = self._bodies.get(encoding)
        if found is None:
            assert encoding is not None  # noqa: S101
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(None, ENCODINGS[encoding], self._bodies[None])
            self._bodies[encoding] = found
        return found
