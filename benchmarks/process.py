"""A worker as the harness sees it: a process that answers one request at a time."""

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.lines import LINE_LIMIT, Answer, rate_of
from benchmarks.measure import Rate, combined

ROOT = Path(__file__).parents[1]
START = 120.0
PATIENCE = 180.0
STOP = 20.0
BARRIER = 0.2
"""Seconds from sending a request to two processes until both start; sending takes a few ms."""
SETTLE = 1.5
"""The store looks once a second whether other processes are attached."""


class WorkerError(Exception):
    """A worker failed; the message holds its error."""


class WorkerProcess:
    """Sends requests to a worker; made by `started`.

    Attributes:
        name: what messages call it.
        announced: what the worker sent when it was ready.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.announced: Mapping[str, Any] = {}
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, do: str, seconds: float = 0.0, **given: Any) -> Answer:
        """Send one request and wait for its answer.

        Raises:
            WorkerError: the worker reports a failure, exits, or does not answer in time.
        """
        assert self._process.stdin
        request = {"do": do, "seconds": seconds, **given}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        await self._process.stdin.drain()
        return await self._read(seconds * 10 + PATIENCE)

    async def ready(self) -> None:
        """Wait until the system is open."""
        self.announced = await self._read(START)

    async def _read(self, patience: float) -> Any:
        assert self._process.stdout
        try:
            async with asyncio.timeout(patience):
                line = await self._process.stdout.readline()
        except TimeoutError as error:
            raise WorkerError(f"{self.name} did not answer within {patience:g} s") from error
        if not line:
            raise WorkerError(f"{self.name} exited")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.name}: {answer['error']}")
        return answer

    async def stop(self) -> None:
        """Close its standard input, which ends it; kill it if that takes too long."""
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
    name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
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


def halves(total: int) -> tuple[int, int]:
    """Split a number between two processes; each gets at least 1."""
    return max(1, total - total // 2), max(1, total // 2)


async def share(
    workers: tuple[WorkerProcess, WorkerProcess],
    do: str,
    *,
    count: int,
    in_flight: int,
    given: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> tuple[Rate, list[Answer]]:
    """Let two processes make `count` operations together, each with half of the load.

    Both start at the same instant. The rate counts from the first start to the last end.

    Args:
        workers: the two processes.
        do: the request.
        count: operations of both together.
        in_flight: of both together; with 1, each has 1.
        given: further fields of each one's request.
    """
    start = time.perf_counter() + BARRIER
    loads, counts = halves(in_flight), halves(count)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                worker.ask(
                    do,
                    count=counts[number],
                    in_flight=loads[number],
                    first=loads[0] * number,
                    start=start,
                    **given[number],
                )
            )
            for number, worker in enumerate(workers)
        ]
    answers = [task.result() for task in tasks]
    return combined([rate_of(answer) for answer in answers]), answers
