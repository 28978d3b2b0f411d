"""Eight processes do everything at once to one store, and die of it; every promise is kept."""

import random
from collections import Counter
from pathlib import Path

import asyncpg

from chekov.embedded_postgres import EmbeddedPostgres
from chekov.store.postgres.migrator import migrate
from chekov.testing.history import Memory
from tests.integration.store_processes import check_everything, followed, writer_processes

WRITERS = 8


def demand_variety(memory: Memory) -> None:
    """The proof is worth something only if all of it happened."""
    outcomes = Counter(attempt.outcome for attempt in memory.attempts)
    assert min(outcomes[name] for name in ("stored", "refused", "unknown")) > 0
    kept = [attempt for attempt in memory.attempts if attempt.outcome == "stored"]
    assert any(len(attempt.parts) > 1 for attempt in kept)
    assert any(len(attempt.parts[0].ids) > 1 for attempt in kept)
    assert any(attempt.command_id for attempt in kept)
    assert any(attempt.parts[0].stream.startswith("links-") for attempt in kept)
    assert memory.endings
    assert memory.erased
    assert any(first > 1 for first in memory.firsts.values())


async def test_writers_and_connections_are_killed(dsn: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(dsn)
    async with (
        followed(dsn) as followers,
        writer_processes(dsn, tmp_path, writers=WRITERS, seed=random.randrange(10**6)) as writers,
        followers.runtime(1) as heir,
    ):
        async with followers.runtime(0):
            await writers.reaches(300)
            for number in range(4):
                await connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where pid in ("
                    "select pid from pg_stat_activity where datname = current_database()"
                    "and pid <> pg_backend_pid() order by random() limit 20)"
                )
                await writers.reaches(100)
                await writers.kill(number)
                await writers.start()
                await writers.reaches(100)
        await writers.reaches(300)
        assert await writers.stop() == [-9] * 4 + [0] * WRITERS
        demand_variety(await check_everything(writers, followers, heir))
    await connection.close()


async def test_the_server_is_killed(private_server: EmbeddedPostgres, tmp_path: Path) -> None:
    await migrate(private_server.dsn, "chekov")
    async with (
        followed(private_server.dsn) as followers,
        writer_processes(
            private_server.dsn, tmp_path, writers=WRITERS, seed=random.randrange(10**6)
        ) as writers,
        followers.runtime(0) as runtime,
    ):
        await writers.reaches(300)
        for _ in range(2):
            await private_server.kill()
            await private_server.start()
            await writers.reaches(300)
        assert await writers.stop() == [0] * WRITERS
        demand_variety(await check_everything(writers, followers, runtime))
