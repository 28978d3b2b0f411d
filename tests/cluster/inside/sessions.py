"""Takes the connections of a Postgres server but for a few, and holds them until it is ended.

Runs in a pod. Prints how many it has once there are no more to take.
"""

import asyncio
import sys

import asyncpg

LEFT = """select current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int
    - (select sum(numbackends)::int from pg_stat_database)"""


async def main(dsn: str, spared: int) -> None:
    """Connect until only so many are left, and again when some were given back."""
    held = [await asyncpg.connect(dsn)]
    while True:
        more = await held[0].fetchval(LEFT) - spared
        held += [await asyncpg.connect(dsn) for _ in range(more)]
        sys.stdout.write(f"{len(held)}\n")
        sys.stdout.flush()
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
