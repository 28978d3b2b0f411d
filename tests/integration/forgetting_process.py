"""A process of its own that runs clubs, to hear of what is forgotten elsewhere."""

import asyncio
import sys
from pathlib import Path

from chekov import Runtime
from tests.unit.store.people import Club, clubs

ROOT = Path(__file__).parents[2]


async def main(dsn: str) -> None:
    """Tell the names in a club, as its live state has them, for each line that comes in."""
    async with Runtime(clubs(), store=dsn, subscriptions=False) as runtime:
        while await asyncio.to_thread(sys.stdin.readline):
            loaded = await runtime.load(Club, "a")
            print(sorted(map(str, loaded.state.names.values())), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
