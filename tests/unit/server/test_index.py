"""A browser is shown what a port is, and every link of the page leads somewhere."""

import re

import pytest

from tests.unit.server.conftest import Client, Serving, fill

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("port", ["api", "management"])
async def test_the_root_is_a_page_for_people_and_json_for_others(
    serving: Serving, port: str
) -> None:
    async with serving() as server:
        await fill(server, 1)
        client: Client = getattr(server, port)
        response = await client.get("/", headers=BROWSER)
        page = await response.text()
        assert (response.status, response.content_type) == (200, "text/html")
        assert "<h1>shop: " in page
        found = re.findall(r'href="([^"]+)"', page)
        assert found
        for path in found:
            assert (await client.get(path)).status == 200, path
        response = await client.get("/")
        assert (response.status, response.content_type) == (200, "application/json")
        document = await response.json()
    assert list(document["links"]) == found
    assert response.headers["Vary"] == "Accept"
