"""The description of the API as a page, whose files come from the server itself."""

import re

from tests.unit.server.conftest import Serving


async def test_the_page_loads_only_what_the_server_has(serving: Serving) -> None:
    async with serving() as server:
        response = await server.api.get("/docs")
        page = await response.text()
        assert response.content_type == "text/html"
        found = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert len(found) == 5
        for path in found:
            file = await server.api.get(f"/{path}")
            assert file.status == 200, path
            assert await file.read()


async def test_the_policy_forbids_scripts_and_styles_from_elsewhere(serving: Serving) -> None:
    async with serving() as server:
        for path in ("/docs", "/"):
            policy = (await server.api.get(path)).headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; ")
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
