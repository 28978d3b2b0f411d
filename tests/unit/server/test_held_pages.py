"""Few pages are read at a time, and few bytes are held for clients that do not read."""

import asyncio

import pytest

from chekov.errors import Overloaded
from chekov.server.held_pages import LARGE, HeldPages, Room

FOREVER = 3600


async def reading(held: HeldPages, size: int) -> Room:
    async def read() -> bytes:
        return b"a" * size

    _, room = await held.read(read, len)
    return room


async def test_pages_wait_until_there_is_room() -> None:
    held = HeldPages(3 * LARGE, FOREVER)
    first, second = await reading(held, LARGE), await reading(held, 2 * LARGE)
    assert not held.is_crowded
    third = asyncio.create_task(reading(held, LARGE))
    await asyncio.sleep(0)
    assert held.is_crowded
    second.leave()
    second.leave()  # once is enough
    (await third).leave()
    first.leave()
    (await reading(held, 3 * LARGE)).leave()


async def test_small_pages_take_no_room() -> None:
    held = HeldPages(1, FOREVER)
    large = await reading(held, LARGE)
    for _ in range(10):
        await reading(held, LARGE - 1)
    large.leave()


async def test_four_pages_are_read_at_a_time() -> None:
    held = HeldPages(1_000_000, FOREVER)
    opened, inside, most = asyncio.Event(), 0, 0

    async def read() -> bytes:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await opened.wait()
        inside -= 1
        return b""

    tasks = [asyncio.create_task(held.read(read, len)) for _ in range(10)]
    await asyncio.sleep(0)
    opened.set()
    await asyncio.gather(*tasks)
    assert most == 4


async def test_who_finds_no_room_in_time_is_refused() -> None:
    held = HeldPages(LARGE, 0.01)
    room = await reading(held, LARGE)
    with pytest.raises(Overloaded, match="bytes of pages"):
        await reading(held, LARGE)
    room.leave()
    await reading(held, LARGE)
