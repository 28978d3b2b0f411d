"""Connections that are kept: used again, given to who waits, replaced when broken, let go."""

import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from chekov.store.postgres import kept as module
from chekov.store.postgres.access import Connection
from chekov.store.postgres.kept import Kept, Pool, is_gone
from tests.waiting import until

SIZE = 2
PATIENCE = 20.0


@pytest.fixture
async def pool(empty_dsn: str) -> AsyncGenerator[Pool]:
    async with asyncpg.create_pool(empty_dsn, min_size=0, max_size=SIZE) as pool:
        yield pool


@pytest.fixture
async def kept(pool: Pool) -> AsyncGenerator[Kept]:
    kept = Kept(pool, patience=PATIENCE)
    yield kept
    await kept.close()


async def pid(connection: Connection) -> int:
    return await connection.fetchval("select pg_backend_pid()")


async def test_the_one_that_was_used_last_is_used_again(kept: Kept, pool: Pool) -> None:
    first, second = await kept.take(), await kept.take()
    await kept.give(first)
    await kept.give(second)
    assert await kept.take() is second
    assert await kept.take() is first
    await kept.give(first)
    await kept.give(second)
    assert (pool.get_size(), pool.get_idle_size()) == (SIZE, 0)


async def test_who_waits_gets_one_that_is_given_back(kept: Kept) -> None:
    taken = [await kept.take() for _ in range(SIZE)]
    waiting = [asyncio.create_task(kept.take()) for _ in range(SIZE)]
    await asyncio.sleep(0)
    for connection in taken:
        await kept.give(connection)
    found = await asyncio.gather(*waiting)
    assert len({await pid(connection) for connection in found}) == SIZE
    for connection in found:
        await kept.give(connection)


async def test_nobody_waits_for_ever(kept: Kept, pool: Pool) -> None:
    taken = [await kept.take() for _ in range(SIZE)]
    impatient = Kept(pool, patience=0.01)
    with pytest.raises(TimeoutError):
        await impatient.take()
    # Who has gone is not waited for.
    for connection in taken:
        await impatient.give(connection)
    assert pool.get_idle_size() == 0
    await impatient.close()
    assert pool.get_idle_size() == SIZE


async def test_one_that_breaks_is_replaced(kept: Kept, pool: Pool) -> None:
    resting, terminated = await kept.take(), await kept.take()
    broken = await pid(resting)
    await kept.give(resting)
    await terminated.execute("select pg_terminate_backend($1)", broken)
    await until(lambda: is_gone(resting))
    terminated.terminate()
    await kept.give(terminated)
    found = [await kept.take() for _ in range(SIZE)]
    assert broken not in {await pid(connection) for connection in found}
    for connection in found:
        await kept.give(connection)
    assert pool.get_size() == SIZE


async def test_those_that_nobody_needs_are_closed(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TRIM_SECONDS", 0.0)
    kept = Kept(pool, patience=PATIENCE)
    taken = [await kept.take() for _ in range(SIZE)]
    for connection in taken:
        await kept.give(connection)
    await until(lambda: all(map(is_gone, taken)))
    found = [await kept.take() for _ in range(SIZE)]
    assert not any(map(is_gone, found))
    for connection in found:
        await kept.give(connection)
    await kept.close()


async def test_those_in_use_go_to_the_pool_when_it_closes(kept: Kept, pool: Pool) -> None:
    used, resting = await kept.take(), await kept.take()
    await kept.give(resting)
    await kept.close()
    assert pool.get_idle_size() == SIZE - 1
    await kept.give(used)
    assert pool.get_idle_size() == SIZE
