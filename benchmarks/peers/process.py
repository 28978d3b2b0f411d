"""A worker as the harness sees it: a process that answers one request at a time."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.peers.install import ROOT
from benchmarks.peers.wire import LINE_LIMIT, Answer

START = 120.0
PATIENCE = 180.0
STOP = 20.0


class WorkerError(Exception):
    """A worker failed; the message says how."""


class WorkerProcess:
    """Asks a worker; made by `started`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def ask(self, do: str, seconds: float = 0.0, **given: Any) -> Answer:
        """Send one request and wait for its answer.

        Raises:
            WorkerError: the worker reports a failure, ends, or does not answer in time.
        """
        assert self._process.stdin
        request = {"do": do, "seconds": seconds, **given}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        await self._process.stdin.drain()
        return await self._read(seconds * 10 + PATIENCE)

    async def ready(self) -> None:
        """Wait until the system is open."""
        await self._read(START)

    async def _read(self, patience: float) -> Answer:
        assert self._process.stdout
        try:
            async with asyncio.timeout(patience):
                line = await self._process.stdout.readline()
        except TimeoutError as error:
            raise WorkerError(f"{self.name} did not answer within {patience:g} s") from error
        if not line:
            raise WorkerError(f"{self.name} ended")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.name}: {answer['error']}")
        return answer

    async def stop(self) -> None:
        """Close its input, which ends it; kill it if that takes too long."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def started(
    name: str, command: tuple[str, ...], environment: Mapping[str, str] | None = None
) -> AsyncGenerator[WorkerProcess]:
    """Run a worker until the block ends; it is ready when the block starts."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_LIMIT,
    )
    worker = WorkerProcess(name, process)
    try:
        await worker.ready()
        yield worker
    finally:
        await worker.stop()
