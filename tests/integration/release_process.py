"""A separate process of an older or a newer release that handles events, for tests to end."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from signal import SIGTERM

import asyncpg

from chekov import (
    Context,
    Domain,
    EventHandler,
    HandlerSettings,
    Projection,
    Retry,
    Runtime,
    Transaction,
    handle,
)
from tests.integration.engine_process import ROOT, Process
from tests.unit.engine.releases import Paid, PaidInCurrency, Rated, new_release, old_release

LEASE = 5.0
TABLES = "create table money (position bigint, stream text, cents int)"
_WRITE = "insert into money values ($1, $2, $3)"


class Calls:
    """Writes down each call."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def note(self, context: Context) -> None:
        """Write a row."""
        await self._pool.execute(
            "insert into calls (stream, position) values ($1, $2)", context.stream, context.position
        )


class OldWritten(EventHandler, name="written"):
    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    @handle
    async def paid(self, event: Paid, context: Context) -> None:
        del event
        await self.calls.note(context)


class NewWritten(EventHandler, name="written"):
    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    @handle
    async def paid(self, event: PaidInCurrency | Rated, context: Context) -> None:
        del event
        await self.calls.note(context)


class OldMoney(Projection, name="money"):
    tables = TABLES

    @handle
    async def paid(self, event: Paid, transaction: Transaction) -> None:
        transaction.write(_WRITE, transaction.position, transaction.stream, event.cents)


class NewMoney(Projection, name="money"):
    tables = TABLES

    @handle
    async def paid(self, event: PaidInCurrency, transaction: Transaction) -> None:
        transaction.write(_WRITE, transaction.position, transaction.stream, event.cents)


def domain_of(release: str, calls: Calls) -> Domain:
    """The domain of a release: `old` or `new`."""
    if release == "old":
        return old_release(OldWritten(calls), OldMoney())
    return new_release(NewWritten(calls), NewMoney())


@asynccontextmanager
async def released(dsn: str, release: str) -> AsyncGenerator[Process]:
    """Start a process; kill it on exit."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.release_process",
        dsn,
        release,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    started = Process(child)
    try:
        await started.says("entered")
        yield started
    finally:
        await started.kill()


async def main(dsn: str, release: str) -> None:
    """Run until told to end."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(SIGTERM, ended.set)
    async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
        domain = domain_of(release, Calls(pool))
        settings = {"written": HandlerSettings(partitions=4)}
        async with Runtime(
            domain,
            store=dsn,
            lease=LEASE,
            node=release,
            handlers=settings,
            retry=Retry(attempts=1),
        ):
            print("entered", flush=True)  # noqa: T201 the test reads it
            await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
