"""Chromium without a window, which shows pages and presses their buttons."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import ClientWebSocketResponse

from tests.packages import provide
from tests.waiting import until

SECONDS: Final = 60
_OPTIONS: Final = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
_ADDRESS: Final = re.compile(rb"ws://127\.0\.0\.1:(\d+)/")


def install() -> None:
    provide({"chromium": "chromium"}, otherwise="Install Chromium.")


class Page:
    """A page, by the protocol of the browser's developer tools.

    Attributes:
        complaints: what the browser logged, such as what a policy forbids.
    """

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._last = 0
        self.complaints: list[str] = []

    async def call(self, method: str, **parameters: Any) -> Any:
        self._last += 1
        await self._socket.send_json({"id": self._last, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json()
            if message.get("method") == "Log.entryAdded":
                self.complaints.append(message["params"]["entry"]["text"])
            if message.get("id") == self._last:
                return message.get("result")

    async def evaluate(self, script: str) -> Any:
        """The value of an expression of JavaScript; `None` while the page is being loaded."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return found["result"].get("value") if found else None

    async def text(self) -> str:
        """What a person reads."""
        return await self.evaluate("document.body ? document.body.innerText : ''") or ""

    async def press(self, selector: str) -> None:
        """Press a button once it is there."""
        script = f"document.querySelector({selector!r})"
        press = f"{script} ? ({script}.click(), true) : false"
        await until(lambda: self.evaluate(press), SECONDS)

    async def shows(self, *texts: str) -> None:
        """Wait until a person reads all of these."""

        async def all_there() -> bool:
            page = await self.text()
            return all(text in page for text in texts)

        await until(all_there, SECONDS)


@asynccontextmanager
async def opened(folder: Path, address: str) -> AsyncGenerator[Page]:
    """A page that is being loaded, in a browser of its own."""
    child = await asyncio.create_subprocess_exec(
        "chromium",
        *_OPTIONS,
        f"--user-data-dir={folder}",
        "--remote-debugging-port=0",
        "about:blank",
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stderr is not None
    try:
        async with asyncio.timeout(SECONDS):
            while not (found := _ADDRESS.search(await child.stderr.readline())):
                pass
        drain = asyncio.create_task(child.stderr.read())
        base = f"http://127.0.0.1:{int(found[1])}"
        async with aiohttp.ClientSession() as session:
            pages: list[Any] = []

            async def listed() -> bool:
                answer = await (await session.get(f"{base}/json")).json()
                pages[:] = [item for item in answer if item["type"] == "page"]
                return bool(pages)

            await until(listed)
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"]) as socket:
                page = Page(socket)
                await page.call("Log.enable")
                await page.call("Page.navigate", url=address)
                yield page
    finally:
        child.terminate()
        await child.wait()
    await drain
