"""A browser shows the description of the API and tries operations, with nothing from elsewhere."""

from pathlib import Path

import pytest

from tests.integration import browser
from tests.unit.server.conftest import running

pytestmark = pytest.mark.usefixtures("chromium")


@pytest.fixture(scope="module")
def chromium() -> None:
    browser.install()


async def test_every_operation_is_shown(tmp_path: Path) -> None:
    async with (
        running() as server,
        browser.opened(tmp_path, str(server.api.make_url("/docs"))) as page,
    ):
        await page.shows("/commands/OpenAccount", "/streams/{stream}", "Execute many commands")
        assert page.complaints == []


async def test_a_command_can_be_tried(tmp_path: Path) -> None:
    address = "/docs#/account/OpenAccount"
    async with (
        running() as server,
        browser.opened(tmp_path, f"http://{server.api.host}:{server.api.port}{address}") as page,
    ):
        await page.press(".try-out__btn")
        await page.press(".btn.execute")
        await page.shows("Response headers", '"version": 1', "x-request-id")
        assert page.complaints == []
        assert await server.store.head() == 1


async def test_the_first_page_leads_there(tmp_path: Path) -> None:
    async with running() as server, browser.opened(tmp_path, str(server.api.make_url("/"))) as page:
        await page.shows("shop: the API")
        await page.press('a[href="/docs"]')
        await page.shows("/commands/OpenAccount")
        assert page.complaints == []
