"""A process that runs the questions until it is killed, or asked to end: `python -m …node`."""

import asyncio
import signal
import sys
from pathlib import Path

from chekov import Runtime
from chekov.store.postgres import PostgresStore
from tests.faults.questions import Ledger, domain
from tests.impatience import make_impatient

LEASE = 3.0


async def main(dsn: str, file: Path, name: str) -> None:
    """Run until SIGTERM."""
    make_impatient(setattr, seconds=3.0)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    store = PostgresStore(dsn, migrate=False, patience=3, statement_timeout=3)
    async with Runtime(domain(Ledger(file, name)), store=store, node=name, lease=LEASE):
        print("ready", flush=True)  # noqa: T201 the test reads it
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
