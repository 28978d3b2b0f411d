"""Cached connections are reused, passed to waiting tasks, replaced when broken, and closed."""

import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from chekov.store.postgres import connection_cache as module
from chekov.store.postgres.connection_cache import ConnectionCache, DriverPool, is_gone
from chekov.store.postgres.connection_options import DriverConnection
from tests.waiting import until

SIZE = 2
PATIENCE = 20.0


@pytest.fixture
async def pool(empty_dsn: str) -> AsyncGenerator[DriverPool]:
    async with asyncpg.create_pool(empty_dsn, min_size=0, max_size=SIZE) as pool:
        yield pool


@pytest.fixture
async def cache(pool: DriverPool) -> AsyncGenerator[ConnectionCache]:
    cache = ConnectionCache(pool, patience=PATIENCE)
    yield cache
    await cache.close()


async def pid(connection: DriverConnection) -> int:
    return await connection.fetchval("select pg_backend_pid()")


async def test_the_last_used_connection_is_reused(cache: ConnectionCache, pool: DriverPool) -> None:
    first, second = await cache.acquire(), await cache.acquire()
    await cache.release(first)
    await cache.release(second)
    assert await cache.acquire() is second
    assert await cache.acquire() is first
    await cache.release(first)
    await cache.release(second)
    assert (pool.get_size(), pool.get_idle_size()) == (SIZE, 0)


async def test_a_waiting_task_gets_a_released_connection(cache: ConnectionCache) -> None:
    taken = [await cache.acquire() for _ in range(SIZE)]
    waiting = [asyncio.create_task(cache.acquire()) for _ in range(SIZE)]
    await asyncio.sleep(0)
    for connection in taken:
        await cache.release(connection)
    found = await asyncio.gather(*waiting)
    assert len({await pid(connection) for connection in found}) == SIZE
    for connection in found:
        await cache.release(connection)


async def test_waiting_has_a_timeout(cache: ConnectionCache, pool: DriverPool) -> None:
    taken = [await cache.acquire() for _ in range(SIZE)]
    impatient = ConnectionCache(pool, patience=0.01)
    with pytest.raises(TimeoutError):
        await impatient.acquire()
    # Who has gone is not waited for.
    for connection in taken:
        await impatient.release(connection)
    assert pool.get_idle_size() == 0
    await impatient.close()
    assert pool.get_idle_size() == SIZE


async def test_a_broken_connection_is_replaced(cache: ConnectionCache, pool: DriverPool) -> None:
    idle, terminated = await cache.acquire(), await cache.acquire()
    broken = await pid(idle)
    await cache.release(idle)
    await terminated.execute("select pg_terminate_backend($1)", broken)
    await until(lambda: is_gone(idle))
    terminated.terminate()
    await cache.release(terminated)
    found = [await cache.acquire() for _ in range(SIZE)]
    assert broken not in {await pid(connection) for connection in found}
    for connection in found:
        await cache.release(connection)
    assert pool.get_size() == SIZE


async def test_unused_connections_are_closed(
    pool: DriverPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TRIM_SECONDS", 0.0)
    cache = ConnectionCache(pool, patience=PATIENCE)
    taken = [await cache.acquire() for _ in range(SIZE)]
    for connection in taken:
        await cache.release(connection)
    await until(lambda: all(map(is_gone, taken)))
    found = [await cache.acquire() for _ in range(SIZE)]
    assert not any(map(is_gone, found))
    for connection in found:
        await cache.release(connection)
    await cache.close()


async def test_those_in_use_go_to_the_pool_when_it_closes(
    cache: ConnectionCache, pool: DriverPool
) -> None:
    used, idle = await cache.acquire(), await cache.acquire()
    await cache.release(idle)
    await cache.close()
    assert pool.get_idle_size() == SIZE - 1
    await cache.release(used)
    assert pool.get_idle_size() == SIZE
