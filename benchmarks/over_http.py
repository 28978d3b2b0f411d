"""Commands over HTTP to a server in a process of its own, beside a bare echo."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from benchmarks.domain import NOTE
from benchmarks.http_load import Client, post
from benchmarks.measure import Rate, run_for


class Ports(NamedTuple):
    """Where a server listens."""

    api: int
    management: int


@asynccontextmanager
async def api_server(dsn: str, schema: str, **environment: str) -> AsyncGenerator[Ports]:
    """Serve the benchmarks' domain, with further variables."""
    api, management = free_port(), free_port()
    async with _process(
        "-m",
        "chekov.cli",
        "serve",
        port=api,
        CHEKOV_STORE=dsn,
        CHEKOV_SCHEMA=schema,
        CHEKOV_DOMAIN="benchmarks.domain:commands",
        CHEKOV_HTTP_HOST="127.0.0.1",
        CHEKOV_HTTP_PORT=str(api),
        CHEKOV_MANAGEMENT_PORT=str(management),
        CHEKOV_LOG_LEVEL="warning",
        CHEKOV_MIGRATE="true",
        **environment,
    ):
        yield Ports(api, management)


@asynccontextmanager
async def echo_server(module: str = "benchmarks.echo") -> AsyncGenerator[int]:
    """Serve a bare echo; yields its port."""
    port = free_port()
    async with _process("-m", module, str(port), port=port):
        yield port


@asynccontextmanager
async def _process(*arguments: str, port: int, **environment: str) -> AsyncGenerator[None]:
    """Run Python until the block ends; it accepts connections on `port` when the block starts."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await _accepting(port, child)
        yield
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def _accepting(port: int, child: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(60):
        while child.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
    raise RuntimeError("the server exited before it accepted a connection")


def free_port() -> int:
    """A free port on the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def echo(port: int, seconds: float, connections: int) -> Rate:
    """Send requests of a command's size to a bare echo."""
    request = post("/echo", body("echo"))
    return await _load(port, seconds, [request] * connections)


async def commands(
    port: int, seconds: float, connections: int, acknowledged: MutableMapping[str, int]
) -> Rate:
    """Send one command a request, each connection to an aggregate of its own."""
    names = [f"http-{connections}-{number}" for number in range(connections)]
    done = [0] * connections
    rate = await _load(port, seconds, [post("/commands/Add", body(name)) for name in names], done)
    for name, count in zip(names, done, strict=True):
        stream = f"counter-{name}"
        acknowledged[stream] = acknowledged.get(stream, 0) + count
    return rate


async def batches(
    port: int, seconds: float, size: int, acknowledged: MutableMapping[str, int]
) -> Rate:
    """Send `size` commands a request as NDJSON, over one connection."""
    client = await Client.connect(port)
    names = [f"batch-{number}" for number in range(size)]
    lines = (
        json.dumps({"command": "Add", "data": {"counter": name, "amount": 1, "note": NOTE}})
        for name in names
    )
    request = post("/commands", "\n".join(lines).encode(), "application/x-ndjson")
    rounds = 0

    async def one(_worker: int) -> None:
        nonlocal rounds
        answer = await client.send(request)
        if answer.count(b'"command_id"') != size:
            raise AssertionError(f"not every command of a batch was accepted: {answer[:500]!r}")
        rounds += 1

    rate = await run_for(seconds, 1, one, weight=size)
    client.close()
    for name in names:
        stream = f"counter-{name}"
        acknowledged[stream] = acknowledged.get(stream, 0) + rounds
    return rate


def body(counter: str) -> bytes:
    """The body of one command."""
    return json.dumps({"counter": counter, "amount": 1, "note": NOTE}).encode()


async def _load(
    port: int, seconds: float, requests: list[bytes], done: list[int] | None = None
) -> Rate:
    clients = [await Client.connect(port) for _ in requests]

    async def one(worker: int) -> None:
        await clients[worker].send(requests[worker])
        if done is not None:
            done[worker] += 1

    try:
        return await run_for(seconds, len(clients), one)
    finally:
        for client in clients:
            client.close()
