"""A gate lets in so many at a time, the others in order, and refuses those who wait too long."""

import asyncio

import pytest

from chekov.errors import Overloaded
from chekov.server.gate import Gate

FOREVER = 3600.0


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_others_wait_for_a_place_in_the_order_in_which_they_came() -> None:
    gate = Gate(2, FOREVER, "commands")
    await gate.enter()
    await gate.enter()
    assert not gate.try_enter()
    came: list[int] = []

    async def come(number: int) -> None:
        await gate.enter()
        came.append(number)

    tasks = [asyncio.create_task(come(number)) for number in range(3)]
    await settle()
    assert came == []
    for expected in ([0], [0, 1], [0, 1, 2]):
        gate.leave()
        await settle()
        assert came == expected
    await asyncio.gather(*tasks)
    gate.leave()
    gate.leave()
    assert gate.try_enter(2)


async def test_nobody_overtakes_one_who_needs_many_places() -> None:
    gate = Gate(10, FOREVER, "bytes")
    await gate.enter(6)
    large = asyncio.create_task(gate.enter(8))
    await settle()
    assert not gate.try_enter(1)
    small = asyncio.create_task(gate.enter(1))
    await settle()
    assert not large.done()
    assert not small.done()
    gate.leave(6)
    await large
    await small


async def test_one_who_needs_more_than_there_is_gets_all() -> None:
    gate = Gate(10, FOREVER, "bytes")
    await gate.enter(1000)
    assert not gate.try_enter()
    gate.leave(1000)
    assert gate.try_enter(10)


async def test_who_waits_too_long_is_refused_unless_patient() -> None:
    gate = Gate(1, 0.01, "commands")
    await gate.enter()
    patient = asyncio.create_task(gate.enter(patient=True))
    for _ in range(2):
        with pytest.raises(Overloaded, match="1 commands are in progress"):
            await gate.enter()
    assert not patient.done()
    gate.leave()
    await patient
    gate.leave()
    assert gate.try_enter()


async def test_a_place_is_not_lost_when_one_who_waits_is_cancelled() -> None:
    gate = Gate(1, FOREVER, "commands")
    await gate.enter()
    first, second = (asyncio.create_task(gate.enter()) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    gate.leave()
    await second
    third = asyncio.create_task(gate.enter())
    await settle()
    gate.leave()
    third.cancel()  # after it was given the place, before it ran
    await settle()
    assert third.cancelled()
    assert gate.try_enter()


async def test_a_refusal_makes_way_for_those_behind() -> None:
    gate = Gate(10, 0.01, "bytes")
    await gate.enter(5)
    large = asyncio.create_task(gate.enter(8))
    await settle()
    small = asyncio.create_task(gate.enter(5, patient=True))
    with pytest.raises(Overloaded):
        await large
    await small
