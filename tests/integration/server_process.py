"""Runs `chekov` in a process of its own, as people and pods do."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[2]
BANK = ROOT / "examples" / "bank"
SECONDS = 300


class Server:
    """A process that serves.

    Attributes:
        log: what it logged so far, as JSON objects or plain lines.
    """

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child
        self.log: list[Any] = []
        self.ports: dict[str, int] = {}
        self._probes = asyncio.Event()
        self._serving = asyncio.Event()

    async def read(self) -> None:
        """Collect the log until the process ends."""
        assert self.child.stderr
        async for line in self.child.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.log.append(line.decode())
                continue
            if "management" in self.log[-1]:
                self.ports = self.log[-1]
                self._probes.set()
            if "http" in self.log[-1]:
                self._serving.set()
        self._probes.set()
        self._serving.set()

    async def answering_probes(self) -> None:
        """Wait until the management port is open."""
        await self._probes.wait()
        assert "management" in self.ports, self.log

    async def serving(self) -> None:
        """Wait until it takes requests."""
        await self._serving.wait()
        assert "http" in self.ports, self.log

    def api(self, path: str) -> str:
        return f"http://127.0.0.1:{self.ports['http']}{path}"

    def management(self, path: str) -> str:
        return f"http://127.0.0.1:{self.ports['management']}{path}"

    def terminate(self) -> None:
        self.child.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Its exit code."""
        return await self.child.wait()


def chekov(*arguments: str, **environment: str) -> AbstractAsyncContextManager[Server]:
    """A `chekov` process that is killed when the block ends before it does, or takes too long."""
    return chekov_for(SECONDS, *arguments, **environment)


@asynccontextmanager
async def chekov_for(seconds: float, *arguments: str, **environment: str) -> AsyncGenerator[Server]:
    """One for a block that may take so many seconds."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chekov.cli",
        *arguments,
        env=clean() | {"CHEKOV_LOG_LEVEL": "info", "CHEKOV_LOG_FORMAT": "json"} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    server = Server(child)
    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            group.create_task(server.read())
            yield server
            if child.returncode is None:
                server.terminate()
                await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def bank(dsn: str, **environment: str) -> dict[str, str]:
    """The environment in which `chekov serve` serves the bank on free ports."""
    return {
        "CHEKOV_STORE": dsn,
        "CHEKOV_DOMAIN": "bank:domain",
        "CHEKOV_PATH": str(BANK),
        "CHEKOV_HTTP_HOST": "127.0.0.1",
        "CHEKOV_HTTP_PORT": "0",
        "CHEKOV_MANAGEMENT_PORT": "0",
        **environment,
    }


def clean() -> dict[str, str]:
    """This process's environment without anything that changes how servers and tests run."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CHEKOV_", "OTEL_", "PYTEST_"))
    }


async def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """A command line to its end: exit code, output, errors."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chekov.cli",
        *arguments,
        env=clean() | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        out, errors = await child.communicate()
    assert child.returncode is not None
    return child.returncode, out.decode(), errors.decode()


async def post(session: aiohttp.ClientSession, url: str, **data: object) -> dict[str, Any]:
    """The answer to a command that must be accepted."""
    async with session.post(url, json=data, headers={"Prefer": "wait=30"}) as response:
        body = await response.json(content_type=None)
        assert response.status == 200, body
        return body
