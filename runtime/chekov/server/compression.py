"""Large responses in the encoding that their client prefers: zstd or gzip."""

import asyncio
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSED_FROM: Final = 4096
"""Bytes."""

_GZIP: Final = 31
_GZIP_LEVEL: Final = 5


async def compress(request: web.Request, response: web.Response) -> None:
    """Compress a large body, in a thread, if the client takes that."""
    body = response.body
    if not isinstance(body, bytes) or len(body) < COMPRESSED_FROM or request.method == "HEAD":
        return
    vary = response.headers.get("Vary", "")
    if "Accept-Encoding" in vary:
        return  # it is in the right one already
    response.headers["Vary"] = f"{vary}, Accept-Encoding" if vary else "Accept-Encoding"
    encoding = preferred(request.headers.get("Accept-Encoding", ""))
    if encoding is not None:
        loop = asyncio.get_running_loop()
        response.body = await loop.run_in_executor(None, ENCODINGS[encoding], body)
        response.headers["Content-Encoding"] = encoding


def preferred(accepted: str) -> str | None:
    """The encoding that a value of `Accept-Encoding` gives the highest quality; `None` for none.

    Of those with the same quality, it is the one that compresses better.
    """
    if not accepted:
        return None
    given = dict(map(_quality, accepted.split(",")))
    rest = given.get("*", 0.0)
    best = max(ENCODINGS, key=lambda encoding: given.get(encoding, rest))
    quality = given.get(best, rest)
    return best if quality > 0 and quality >= given.get("identity", 0.0) else None


def _quality(item: str) -> tuple[str, float]:
    coding, _, parameter = item.partition(";")
    name, _, value = parameter.partition("=")
    quality = 1.0
    if name.strip().lower() == "q":
        try:
            quality = float(value)
        except ValueError:
            quality = 0.0
    return coding.strip().lower(), quality


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP)
    return compressor.compress(body) + compressor.flush()


ENCODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {"zstd": zstd.compress, "gzip": _gzip}
"""What compresses a body, by the name of the encoding; the better ones first."""
