"""A separate process that runs the counter and its projection, for tests to kill."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from chekov import CommandTimeout, Runtime
from tests.integration.engine_domain import Totals, counting
from tests.unit.engine.counter_domain import Add, status
from tests.waiting import until

ROOT = Path(__file__).parents[2]
LEASE = 1.0


class Process:
    """A handle of the child process."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child

    async def says(self, word: str) -> None:
        """Wait for a line."""
        assert self.child.stdout
        async for line in self.child.stdout:
            if line.decode().strip() == word:
                return
        raise AssertionError(f"the process ended without saying {word!r}")

    async def kill(self) -> None:
        """Kill it, unless it has ended."""
        if self.child.returncode is None:
            self.child.kill()
        await self.child.wait()


@asynccontextmanager
async def process(dsn: str, commands: int, lease: float = LEASE) -> AsyncGenerator[Process]:
    """Start a process that executes `commands` commands; kill it on exit."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.engine_process",
        dsn,
        str(commands),
        str(lease),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    started = Process(child)
    try:
        yield started
    finally:
        await started.kill()


async def main(dsn: str, commands: int, lease: float) -> None:
    """Run until killed."""
    domain = counting(Totals())
    async with Runtime(domain, store=dsn, lease=lease, node="killed") as runtime:
        await until(lambda: status(runtime, "totals").owned)
        print("owned", flush=True)  # noqa: T201 the test reads it
        for number in range(commands):
            with suppress(CommandTimeout):  # a test may stop the process for a while
                await runtime.dispatch(Add(counter=f"killed-{number % 3}", amount=1))
        print("done", flush=True)  # noqa: T201 the test reads it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
