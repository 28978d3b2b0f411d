"""A separate process that runs the transfers between accounts, for tests to kill."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from chekov import Runtime
from chekov.store.port import SubscriptionKey
from tests.integration.engine_process import Process
from tests.unit.engine.processes.transfers import domain
from tests.waiting import until

ROOT = Path(__file__).parents[2]
LEASE = 1.0
KEY = SubscriptionKey("bank", "transfer")


@asynccontextmanager
async def transferring(dsn: str) -> AsyncGenerator[Process]:
    """Start a process that runs the transfers; kill it on exit."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.transfer_process",
        dsn,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    started = Process(child)
    try:
        yield started
    finally:
        await started.kill()


async def main(dsn: str) -> None:
    """Run until killed."""
    async with Runtime(domain, store=dsn, lease=LEASE, node="killed") as runtime:
        await until(lambda: runtime.subscriptions[KEY].owned)
        print("owned", flush=True)  # noqa: T201 the test reads it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
