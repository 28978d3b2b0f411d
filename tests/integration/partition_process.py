"""A separate process that handles events in partitions and writes down each, for tests to end."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from signal import SIGTERM

import asyncpg

from chekov import Context, Domain, EventHandler, HandlerSettings, Runtime, handle
from tests.integration.engine_process import ROOT, Process
from tests.unit.engine.counter_domain import Added, Counter

LEASE = 5.0


class Written(EventHandler, name="written"):
    """A row for each call."""

    def __init__(self, connection: "asyncpg.Pool[asyncpg.Record]", node: str) -> None:
        self.connection = connection
        self.node = node

    @handle
    async def added(self, event: Added, context: Context) -> None:
        await self.connection.execute(
            "insert into calls (node, stream, amount) values ($1, $2, $3)",
            self.node,
            context.stream,
            event.amount,
        )


@asynccontextmanager
async def partitioned(dsn: str, node: str, partitions: int) -> AsyncGenerator[Process]:
    """Start a process; kill it on exit."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.partition_process",
        dsn,
        node,
        str(partitions),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    started = Process(child)
    try:
        await started.says("entered")
        yield started
    finally:
        await started.kill()


async def end(process: Process) -> None:
    """Let it drain."""
    process.child.send_signal(SIGTERM)
    await process.child.wait()


async def main(dsn: str, node: str, partitions: int) -> None:
    """Run until told to end."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(SIGTERM, ended.set)
    async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
        domain = Domain("counting", aggregates=[Counter], handlers=[Written(pool, node)])
        settings = {"written": HandlerSettings(partitions=partitions)}
        async with Runtime(domain, store=dsn, lease=LEASE, node=node, handlers=settings):
            print("entered", flush=True)  # noqa: T201 the test reads it
            await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
