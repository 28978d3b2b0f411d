"""Content that never changes is compressed once, and sent again only if it is new."""

import json

import pytest

from tests.unit.server.conftest import Serving


async def test_content_that_the_client_has_is_not_sent_again(serving: Serving) -> None:
    async with serving() as server:
        first = await server.api.get("/openapi.json")
        again = await server.api.get(
            "/openapi.json", headers={"If-None-Match": first.headers["ETag"]}
        )
        assert (again.status, await again.read()) == (304, b"")
        other = await server.api.get("/openapi.json", headers={"If-None-Match": 'W/"other"'})
        assert (other.status, await other.json()) == (200, await first.json())


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_content_is_compressed(serving: Serving, encoding: str) -> None:
    async with serving() as server:
        plain = await server.api.get("/openapi.json", headers={"Accept-Encoding": "identity"})
        for _ in range(2):
            packed = await server.api.get("/openapi.json", headers={"Accept-Encoding": encoding})
            assert packed.headers["Content-Encoding"] == encoding
            assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
            assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"])
            assert json.loads(await packed.read()) == await plain.json()
