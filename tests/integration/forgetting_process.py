"""A separate process that runs the clubs, to observe what other processes forget."""

import asyncio
import sys
from pathlib import Path

from chekov import Runtime
from tests.unit.store.people import Club, clubs

ROOT = Path(__file__).parents[2]


async def main(dsn: str) -> None:
    """Print the names in the club's live state for each line read from standard input."""
    async with Runtime(clubs(), store=dsn, subscriptions=False) as runtime:
        while await asyncio.to_thread(sys.stdin.readline):
            loaded = await runtime.load(Club, "a")
            print(sorted(map(str, loaded.state.names.values())), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
