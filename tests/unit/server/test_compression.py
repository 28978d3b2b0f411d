"""Large answers are compressed as their client prefers."""

import json
import sys
import zlib

import pytest

from chekov.server.compression import COMPRESSED_FROM, ENCODINGS, preferred
from tests.unit.server.conftest import Serving, fill

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip", "gzip"),
        ("zstd;q=0.5, gzip;q=0.5", "zstd"),
        ("deflate, GZIP; q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.000, br", None),
        ("gzip;q=high", None),
        ("br, xgzip", None),
        ("identity", None),
        ("*", "zstd"),
        ("*, zstd;q=0", "gzip"),
        ("*;q=0", None),
        ("gzip;q=0.5, identity", None),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
    ],
)
def test_the_encoding_with_the_highest_quality_is_used(accepted: str, encoding: str | None) -> None:
    assert preferred(accepted) == encoding


def test_what_is_compressed_comes_back() -> None:
    body = b"an event" * 1000
    assert zstd.decompress(ENCODINGS["zstd"](body)) == body
    assert zlib.decompress(ENCODINGS["gzip"](body), wbits=31) == body


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
async def test_large_answers_are_compressed(serving: Serving, encoding: str) -> None:
    async with serving() as server:
        await fill(server, deposits=50)
        plain = await server.api.get("/events", headers={"Accept-Encoding": "identity"})
        packed = await server.api.get("/events", headers={"Accept-Encoding": encoding})
        assert int(plain.headers["Content-Length"]) >= COMPRESSED_FROM
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == encoding
        assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
        assert json.loads(await packed.read()) == await plain.json()
        assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"])
        small = await server.api.get("/events?limit=1", headers={"Accept-Encoding": encoding})
        assert "Content-Encoding" not in small.headers
